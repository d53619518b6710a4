package policy_test

import (
	"testing"

	"origami/internal/policy"
)

func TestSpelled(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"ec2:imageid": "ec2:ImageID", "aws:username": "aws:username", "aws:resourcetag/team": "aws:ResourceTag/team",
		"ec2:add/userid": "ec2:Add/userid", "x:unknown": "x:unknown", "x:un/known": "x:un/known",
	} {
		if got := policy.Spelled(key); got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
}

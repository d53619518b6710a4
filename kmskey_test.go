package origami_test

import (
	"strings"
	"testing"

	"origami"
)

func TestKMSKeyIDs(t *testing.T) {
	t.Parallel()
	for _, multi := range []bool{false, true} {
		id := origami.NewKMSKeyID(multi)
		if got, err := origami.ParseKMSKeyID(string(id)); err != nil || got != id || got.MultiRegion() != multi {
			t.Errorf("new ID %s: parsed as %s, %v", id, got, err)
		}
	}
	for s, ok := range map[string]bool{
		"1234abcd-12ab-34cd-56ef-1234567890ab":   true,
		"mrk-1234abcd12ab34cd56ef1234567890ab":   true,
		"1234ABCD-12ab-34cd-56ef-1234567890ab":   false,
		"1234abcd-12ab-34cd-56ef-1234567890a":    false,
		"1234abcd-12ab-34cd-56ef-1234567890abc":  false,
		"1234abcd012ab-34cd-56ef-1234567890ab":   false,
		"mrk-1234abcd-12ab-34cd-56ef-1234567890": false,
		"mrk-1234abcd12ab34cd56ef1234567890a-":   false,
		"mrk-1234abcd12ab34cd56ef1234567890":     false,
		"":                                       false,
		"------------------------------------":   false,
		strings.Repeat("\xff", 36):               false,
	} {
		if _, err := origami.ParseKMSKeyID(s); ok != (err == nil) {
			t.Errorf("%q: got error %v, want ok %t", s, err, ok)
		}
	}
}

func TestKMSARNs(t *testing.T) {
	t.Parallel()
	k := &origami.KMSKey{ID: "mrk-1234abcd12ab34cd56ef1234567890ab", Region: "eu-west-1", Owner: "111111111111", Primary: "us-east-1"}
	if got, want := k.ARN(), "arn:aws:kms:eu-west-1:111111111111:key/mrk-1234abcd12ab34cd56ef1234567890ab"; got != want {
		t.Errorf("key: got %s, want %s", got, want)
	}
	if !k.Replica() {
		t.Error("a key whose primary is elsewhere is no replica")
	}
	k.Primary = "eu-west-1"
	if k.Replica() {
		t.Error("a primary is a replica")
	}
	a := &origami.KMSAlias{Name: "alias/x/y", Region: "eu-west-1", Owner: "111111111111"}
	if got, want := a.ARN(), "arn:aws:kms:eu-west-1:111111111111:alias/x/y"; got != want {
		t.Errorf("alias: got %s, want %s", got, want)
	}
}

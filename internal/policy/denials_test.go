package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami/internal/policy"
)

// TestDenials lists the statements that deny, as they are written.
func TestDenials(t *testing.T) {
	t.Parallel()
	identity := parse(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Sid":"One","Effect":"Deny","Action":["ec2:X","ec2:Y*"],"Resource":"*","Condition":{
			"NumericLessThan":{"ec2:VolumeSize":[9,"10"]},"Bool":{"aws:SecureTransport":false}}},
		{"Sid":"Elsewhere","Effect":"Deny","Action":"s3:*","Resource":"*"},
		{"Effect":"Deny","NotAction":"s3:*","NotResource":["arn:aws:ec2:*:*:image/*"]}]}`, policy.Identity)
	single := parse(t, `{"Statement":{"Sid":"Two","Effect":"Deny","Action":"ec2:*","Resource":"*"}}`, policy.Identity)
	keys := policy.Keys{}
	keys.Set("ec2:VolumeSize", "8")
	keys.Set("aws:SecureTransport", "false")
	r := &policy.Request{Action: "ec2:X", Resource: "*", Keys: keys}
	p := policy.Policies{Identity: []*policy.Document{identity}, Boundary: single}
	want := []policy.Statement{
		{ID: "One", Actions: []string{"ec2:X", "ec2:Y*"}, Resources: []string{"*"}, Conditions: []policy.Condition{
			{Key: "aws:SecureTransport", Values: []string{"false"}}, {Key: "ec2:VolumeSize", Values: []string{"9", "10"}}}},
		{Actions: []string{"s3:*"}, Resources: []string{"arn:aws:ec2:*:*:image/*"}},
		{ID: "Two", Actions: []string{"ec2:*"}, Resources: []string{"*"}},
	}
	if d := cmp.Diff(want, p.Denials(r)); d != "" {
		t.Errorf("denials (-want +got):\n%s", d)
	}
	if got := p.Denials(&policy.Request{Action: "ec2:X", Resource: "*"}); len(got) != 2 {
		t.Errorf("without keys: got %+v, want those without conditions", got)
	}
}

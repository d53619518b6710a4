package iam_test

import (
	"testing"

	"origami"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// What a resource with a policy of its own asks about a user, a root, and
// somebody who is gone.
func TestDecide(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	a, k := create(t, s, "alice")
	ann := must(s.CreateIdentity(t.Context(), a.ID, iam.IdentitySpec{Kind: user, Name: "ann"}))
	who := origami.Caller{Account: a.ID, ARN: ann.ARN(), UserID: ann.ID, Region: "us-east-1"}
	names := must(policy.Parse(document(`"Effect":"Allow","Principal":{"AWS":"`+ann.ARN()+`"},"Action":"kms:*","Resource":"*"`), policy.Resource))
	gone := who
	gone.UserID, gone.ARN = "AIDAGONE", ann.ARN()+"x"
	tests := []struct {
		name            string
		who             origami.Caller
		inline          string
		own             *policy.Document
		allowed, denied bool
	}{
		{"nothing", who, deny("s3:*"), nil, false, false},
		{"named by the resource", who, deny("s3:*"), names, true, false},
		{"allowed", who, allow("kms:Decrypt"), nil, true, false},
		{"denied", who, deny("kms:*"), names, false, true},
		{"root", as(t, s, k.ID, ""), deny("kms:*"), nil, true, false},
		{"gone", gone, allow("*"), names, false, false},
	}
	for _, tt := range tests {
		check(t, tt.name, s.PutInline(t.Context(), a.ID, user, "ann", "p", tt.inline), "")
		err := db.View(t.Context(), func(tx *metadb.Tx) error {
			keys := policy.Keys{}
			keys.Set("kms:ViaService", "x")
			d, err := s.Decide(tx, tt.who, "kms:Decrypt", iam.Resource{ARN: "arn:aws:kms:us-east-1:1:key/k", Keys: keys}, tt.own)
			if d.Allowed != tt.allowed || d.Denied != tt.denied {
				t.Errorf("%s: got %+v, want allowed %t, denied %t", tt.name, d, tt.allowed, tt.denied)
			}
			if d.Request.Principal.ARN != tt.who.ARN || d.Request.Action != "kms:Decrypt" || len(d.Request.Keys["kms:viaservice"]) != 1 {
				t.Errorf("%s: got request %+v", tt.name, d.Request)
			}
			return err
		})
		check(t, tt.name, err, "")
	}
}

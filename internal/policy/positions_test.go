package policy_test

import (
	"testing"

	"origami/internal/policy"
)

// FuzzPositions checks that every statement of a document that parses is found
// in its text, and that renaming nobody changes nothing.
func FuzzPositions(f *testing.F) {
	for _, seed := range []string{
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`,
		`{"Id":"}","Statement" : [ {"Effect":"Allow","Action":"*","Resource":"*"} ,{"Effect":"Deny","Action":"a:b","Resource":"*"}]}`,
		`{"St\u0061tement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Resource":"*"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []policy.Kind{policy.Identity, policy.Trust, policy.Resource} {
			d, err := policy.Parse(text, kind)
			if err != nil {
				continue
			}
			places, err := policy.Positions(text)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			d.Matches(&policy.Request{Action: "a:b", Resource: "*", Keys: policy.Keys{}}, places)
			if got, err := policy.Rename(text, map[string]string{"nobody": "x"}); got != text || err != nil {
				t.Errorf("renaming nobody: got %q, %v, want %q", got, err, text)
			}
		}
	})
}

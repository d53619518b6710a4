package ec2server

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
)

// steering lists the members of inputs that are not part of what is asked
// for: they say how often, how much of it, and whether really.
var steering = []string{"ClientToken", "DryRun", "MaxResults", "NextToken"}

// fingerprint hashes what a request asks for. A repetition under the same
// client token and the next page of the same list have the same fingerprint.
// The input is a pointer to a struct of package ec2api.
func fingerprint(in any) [32]byte {
	v := reflect.ValueOf(in).Elem()
	asked := reflect.New(v.Type()).Elem()
	asked.Set(v)
	for _, name := range steering {
		if f := asked.FieldByName(name); f.IsValid() {
			f.SetZero()
		}
	}
	text, err := json.Marshal(asked.Interface())
	if err != nil {
		// Inputs hold nothing that JSON does not.
		panic(fmt.Sprintf("ec2server: fingerprint of %T: %v", in, err))
	}
	return sha256.Sum256(text)
}

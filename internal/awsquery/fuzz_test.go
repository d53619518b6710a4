package awsquery_test

import (
	"errors"
	"net/url"
	"reflect"
	"testing"

	"origami/internal/awsquery"
)

// FuzzDecode decodes anything; what decodes must decode again, to the same
// struct, from the parameters that Decode says it took.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"Action=X&Name=abc&Flag=true&Small=1&Big=2&Ratio=1.5&When=2030-01-01T00:00:00Z&Data=AA%3D%3D",
		"Owner=self&Owner.2=x&Filter.1.Name=a&Filter.1.Value.1=b&Filter.9.Name=c",
		"Place.Deep.Deep.Zone=z&Place.Zone=&Note=&Value.1=",
		"Owner.member.1=a&Filter.member.2.Name=x",
		"Filter..Name=&=&.=.&Owner.00=1&Owner.99999999999999999999=a",
		"%FF=%00&Name=%C3%28",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, query string, members bool) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		dialect := awsquery.EC2
		if members {
			dialect = awsquery.Query
		}
		var first, second request
		params, err := dialect.Decode(form, &first, enums)
		if err != nil {
			var e *awsquery.Error
			if !errors.As(err, &e) || e.Code == "" || e.Message == "" {
				t.Fatalf("got error %#v, want an *Error with code and message", err)
			}
			return
		}
		taken := url.Values{}
		for _, p := range params {
			taken.Add(p.Path, p.Value)
		}
		again, err := dialect.Decode(taken, &second, enums)
		if err != nil {
			t.Fatalf("decode again: %v", err)
		}
		if !reflect.DeepEqual(first, second) || !reflect.DeepEqual(params, again) {
			t.Fatalf("got %+v from %v, want %+v", second, taken, first)
		}
	})
}

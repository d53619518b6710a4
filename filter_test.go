package origami_test

import (
	"slices"
	"testing"

	"origami"
)

func TestFilterPrefixes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value, prefix string
		matches       []string
	}{
		{"", "", []string{""}},
		{"plain", "plain", []string{"plain"}},
		{"web-*", "web-", []string{"web-", "web-1"}},
		{"web?", "web", []string{"web", "web1"}},
		{"*", "", []string{"", "x"}},
		{`a\*b*`, "a*b", []string{"a*b", "a*bc"}},
		{`a\?`, "a?", []string{"a?"}},
		{`a\\`, `a\`, []string{`a\`}},
		{`a\`, `a\`, []string{`a\`}},
		{"ü*", "ü", []string{"üx"}},
	}
	var all origami.Filter
	var want []string
	for _, tt := range tests {
		f := origami.Filter{Values: []string{tt.value}}
		if got := f.Prefixes(); !slices.Equal(got, []string{tt.prefix}) {
			t.Errorf("prefix of %q: got %q, want %q", tt.value, got, tt.prefix)
		}
		for _, s := range tt.matches {
			if !f.Match(s) {
				t.Errorf("%q does not match %q", tt.value, s)
			}
		}
		all.Values, want = append(all.Values, tt.value), append(want, tt.prefix)
	}
	if got := all.Prefixes(); !slices.Equal(got, want) {
		t.Errorf("prefixes: got %q, want %q", got, want)
	}
}

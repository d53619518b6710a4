package main

import (
	"slices"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]string{
		"import":         {"import"},
		"launch,recover": {"launch", "recover"},
		"import,launhc":  nil,
		"import,":        nil,
	} {
		got, err := choose(list)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) || err != nil && !strings.Contains(err.Error(), "describe-million") {
			t.Errorf("choose(%q) = %q, %v, want %q", list, got, err, want)
		}
	}
	usual, err := choose("")
	if err != nil || !slices.Contains(usual, "launch") || slices.Contains(usual, "describe-million") {
		t.Errorf("choose nothing = %q, %v", usual, err)
	}
}

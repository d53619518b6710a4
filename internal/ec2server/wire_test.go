package ec2server_test

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestWire sends requests as they stand in testdata/wire.txt and compares the
// documents of the answers byte by byte. What is random in them is written as
// $1, $2 and so on in order of appearance, and may be used by later requests.
// With ORIGAMI_UPDATE in the environment the answers are written anew.
//
//origami:proves RegisterImage DescribeImages DescribeKeyPairs DescribeTags CreateTags DeleteTags DeregisterImage RunInstances DescribeInstances TerminateInstances
func TestWire(t *testing.T) {
	t.Parallel()
	i := open(t)
	vars := &names{known: map[string]string{i.a.snapshot(t, home, "root"): "$snapshot", string(i.a.id): "$alice", string(i.b.id): "$bob"}}
	const file = "testdata/wire.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	intro, rest, _ := strings.Cut(string(text), "\n-- ")
	now := intro + "\n"
	for exchange := range strings.SplitSeq(rest, "\n-- ") {
		title, exchange, _ := strings.Cut(exchange, " --\n")
		request, want, ok := strings.Cut(exchange, "\n=> ")
		if !ok {
			t.Fatalf("%s: the request lacks its answer", title)
		}
		status, document := i.a.send(t, home, vars.form(t, request))
		got := fmt.Sprintf("%d\n%s\n", status, vars.replace(document))
		if got != want+"\n" && got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", title, got, want)
		}
		now += "-- " + title + " --\n" + request + "\n=> " + got
	}
	if os.Getenv("ORIGAMI_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(now), 0o666); err != nil {
			t.Error(err)
		}
	}
}

// names gives what is random a name.
type names struct {
	known map[string]string // names by what they stand for
	n     int
}

// random matches identifiers, addresses of network cards and request IDs.
var random = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[a-z]+-(attach-)?[0-9a-f]{17}\b|\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b|\b\d{12}\b`)

// replace puts names in place of what is random. The request ID, which no two
// answers share, is $request.
func (v *names) replace(document string) string {
	return random.ReplaceAllStringFunc(document, func(s string) string {
		if len(s) == 36 {
			return "$request"
		}
		if _, ok := v.known[s]; !ok {
			v.n++
			v.known[s] = fmt.Sprintf("$%d", v.n)
		}
		return v.known[s]
	})
}

// form reads a request: a parameter a line, with names in its value.
func (v *names) form(t *testing.T, text string) url.Values {
	t.Helper()
	f := make(url.Values)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			t.Fatalf("%q is no parameter", line)
		}
		for s, known := range v.known {
			if value == known {
				value = s
			}
		}
		f.Add(name, value)
	}
	return f
}

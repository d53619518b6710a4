package main

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A stream is written as "action package test output", with - for no test.
func stream(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		f := strings.SplitN(line, " ", 4)
		if f[2] == "-" {
			f[2] = ""
		}
		b.WriteString(`{"Action":"` + f[0] + `","Package":"` + f[1] + `","Test":"` + f[2] + `"`)
		if len(f) == 4 {
			b.WriteString(`,"Output":"` + f[3] + `\n"`)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func TestReport(t *testing.T) {
	t.Parallel()
	failed := errors.New("exit status 1")
	for _, tt := range []struct {
		name    string
		stream  string
		status  error
		allowed map[string]string
		strict  bool
		ok      bool
		summary string
		says    string // somewhere in the output
		silent  string // nowhere in the output
	}{
		{
			name:    "pass",
			stream:  stream("run a T", "output a T chatter", "pass a T", "pass a -"),
			ok:      true,
			summary: "1 passed, 0 failed, 0 skipped",
			silent:  "chatter",
		},
		{
			name:    "only leaves count",
			stream:  stream("run a T", "run a T/x", "run a T/x/1", "pass a T/x/1", "pass a T/x", "run a T/y", "pass a T/y", "pass a T", "pass a -"),
			ok:      true,
			summary: "2 passed, 0 failed, 0 skipped",
		},
		{
			name:    "failure below",
			stream:  stream("run a T", "run a T/x", "output a T prepared", "output a T/x got_1", "fail a T/x", "fail a T", "fail a -"),
			status:  failed,
			summary: "0 passed, 1 failed, 0 skipped",
			says:    "--- FAIL a.T/x\nprepared\ngot_1\n",
		},
		{
			name:    "failure of the parent alone",
			stream:  stream("run a T", "run a T/x", "pass a T/x", "output a T late", "fail a T", "fail a -"),
			status:  failed,
			summary: "1 passed, 1 failed, 0 skipped",
			says:    "--- FAIL a.T\nlate\n",
		},
		{
			name:    "the names come at once",
			stream:  stream("run a T", "run a T/x", "fail a T/x", "fail a T", "fail a -", "run b U", "pass b U", "pass b -"),
			status:  failed,
			summary: "1 passed, 1 failed, 0 skipped",
			says:    "      T/x\nok ",
		},
		{
			name:    "package fails without a test",
			stream:  stream("run a T", "pass a T", "output a - panic: boom", "fail a -"),
			status:  failed,
			summary: "1 passed, 1 failed, 0 skipped",
			says:    "--- FAIL a\npanic: boom\n",
		},
		{
			name: "does not build",
			stream: `{"ImportPath":"a [a.test]","Action":"build-output","Output":"a_test.go:1: undefined: f\n"}` + "\n" +
				`{"ImportPath":"a [a.test]","Action":"build-fail"}` + "\n" +
				stream("start a -", "fail a -", "run b T", "pass b T", "pass b -"),
			status:  failed,
			summary: "1 passed, 1 failed, 0 skipped",
			says:    "--- FAIL a\na_test.go:1: undefined: f\n",
		},
		{
			name:    "dies under a test",
			stream:  stream("run a T", "pass a T", "run a U", "output a U half way"),
			status:  failed,
			summary: "1 passed, 0 failed, 0 skipped",
			says:    "--- UNFINISHED a.U\nhalf way\n",
		},
		{
			name:    "command fails although every test passed",
			stream:  stream("run a T", "pass a T", "pass a -"),
			status:  failed,
			summary: "1 passed, 0 failed, 0 skipped",
			says:    "the test command failed: exit status 1",
		},
		{
			name:    "nothing ran",
			stream:  stream("pass a -"),
			summary: "0 passed, 0 failed, 0 skipped",
			says:    "no test ran",
		},
		{
			name:    "all skipped is nothing",
			stream:  stream("run a T", "skip a T", "pass a -"),
			summary: "0 passed, 0 failed, 1 skipped",
			says:    "no test ran",
		},
		{
			name:    "skip tolerated",
			stream:  stream("run a T", "output a T === RUN T", "output a T no qemu", "skip a T", "run a U", "pass a U", "pass a -"),
			ok:      true,
			summary: "1 passed, 0 failed, 1 skipped",
			says:    "skip  a.T: no qemu\n",
		},
		{
			name:    "skip refused",
			stream:  stream("run a T", "skip a T", "run a U", "pass a U", "pass a -"),
			strict:  true,
			summary: "1 passed, 0 failed, 1 skipped",
			says:    "1 tests were skipped that must run here",
		},
		{
			name:    "skip allowed",
			stream:  stream("run a T", "skip a T", "run a U", "pass a U", "pass a -"),
			allowed: map[string]string{"a.T": "needs the moon"},
			strict:  true,
			ok:      true,
			summary: "1 passed, 0 failed, 1 skipped",
			says:    "skip  a.T: needs the moon\n",
		},
		{
			name:    "lines of the go command pass through",
			stream:  "go: downloading x\n" + stream("run a T", "pass a T", "pass a -"),
			ok:      true,
			summary: "1 passed, 0 failed, 0 skipped",
			says:    "go: downloading x\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			r := newReport(&out)
			if err := r.read(strings.NewReader(tt.stream)); err != nil {
				t.Fatal(err)
			}
			if got := r.finish(tt.status, tt.allowed, tt.strict); got != tt.ok {
				t.Errorf("ok = %v, want %v", got, tt.ok)
			}
			if !strings.HasSuffix(out.String(), tt.summary+"\n") {
				t.Errorf("last line is not %q:\n%s", tt.summary, &out)
			}
			if !strings.Contains(out.String(), tt.says) {
				t.Errorf("does not say %q:\n%s", tt.says, &out)
			}
			if tt.silent != "" && strings.Contains(out.String(), tt.silent) {
				t.Errorf("says %q:\n%s", tt.silent, &out)
			}
		})
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	r := newReport(new(bytes.Buffer))
	in := stream("run b T", "run b T/x", "fail b T/x", "fail b T", "fail b -", "run a T", "pass a T", "run a U", "skip a U", "pass a -")
	if err := r.read(strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	got, want := string(r.results()), "fail b.T\nfail b.T/x\npass a.T\nskip a.U\n"
	if got != want {
		t.Errorf("results:\n%swant:\n%s", got, want)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	events := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(events, []byte(stream("run a T", "pass a T", "pass a -")), 0o600); err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(t.TempDir(), "results")
	var out bytes.Buffer
	ok, err := run(t.Context(), &out, []string{"cat", events}, results, "", true)
	if !ok || err != nil {
		t.Fatalf("run = %v, %v, want true:\n%s", ok, err, &out)
	}
	if got, _ := os.ReadFile(results); string(got) != "pass a.T\n" {
		t.Errorf("results file holds %q", got)
	}
	// A command that prints good events and then fails is a failure.
	ok, err = run(t.Context(), &out, []string{"sh", "-c", "cat " + events + "; exit 3"}, results, "", true)
	if ok || err != nil {
		t.Errorf("run of a failing command = %v, %v, want false and no error", ok, err)
	}
	if _, err := run(t.Context(), &out, []string{"/nonexistent"}, results, "", true); err == nil {
		t.Error("run of no command succeeded")
	}
}

func TestReadSkips(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		want       map[string]string
		err        string
	}{
		{name: "empty", file: "\n# nothing\n", want: map[string]string{}},
		{name: "two", file: "a.T  why not\nb.U/x because\n", want: map[string]string{"a.T": "why not", "b.U/x": "because"}},
		{name: "no reason", file: "# c\na.T\n", err: ":2: a.T has no reason"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), "skips")
			if err := os.WriteFile(name, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readSkips(name)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if _, err := readSkips(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file was read")
	}
}

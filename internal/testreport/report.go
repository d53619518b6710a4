package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of "go test -json", as "go doc test2json" describes it.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// testID names a test of a package, or, with an empty name, the package.
type testID struct{ pkg, test string }

func (id testID) String() string {
	if id.test == "" {
		return id.pkg
	}
	return id.pkg + "." + id.test
}

// outcome is how a test or a package ended: "pass", "fail" or "skip"; it is
// empty while it runs.
type outcome struct {
	action string
	output []string // of the test itself, not of its subtests; dropped when it passes
}

// report collects events.
type report struct {
	w        io.Writer
	outcomes map[testID]*outcome
	order    []testID            // in which tests ended
	parents  map[testID]bool     // tests that have subtests
	builds   map[string][]string // output of the compiler by import path
	passed   map[string]int      // leaves by package, for the progress line
}

func newReport(w io.Writer) *report {
	return &report{
		w:        w,
		outcomes: make(map[testID]*outcome),
		parents:  make(map[testID]bool),
		builds:   make(map[string][]string),
		passed:   make(map[string]int),
	}
}

// read takes events from the output of "go test -json" until it ends. Lines
// that are no events come from the go command itself and are passed on.
func (r *report) read(src io.Reader) error {
	lines := bufio.NewReader(src)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				r.add(e)
			} else {
				fmt.Fprintf(r.w, "%s\n", bytes.TrimRight(line, "\n"))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	if e.Action == "build-output" {
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	id := testID{e.Package, e.Test}
	o := r.outcomes[id]
	if o == nil {
		o = new(outcome)
		r.outcomes[id] = o
		if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
			r.parents[testID{e.Package, e.Test[:i]}] = true
		}
	}
	switch e.Action {
	case "output":
		o.output = append(o.output, e.Output)
	case "pass", "fail", "skip":
		o.action = e.Action
		r.order = append(r.order, id)
		if e.Action == "pass" {
			o.output = nil
			if e.Test != "" && !r.parents[id] {
				r.passed[e.Package]++
			}
		}
		if e.Test == "" {
			r.progress(e)
		}
	}
}

// progress prints the line of a package that ended.
func (r *report) progress(e event) {
	switch {
	case e.Action == "fail":
		fmt.Fprintf(r.w, "FAIL  %-36s %7.1fs\n", e.Package, e.Elapsed)
		for _, id := range r.leaves() {
			if id.pkg == e.Package && id.test != "" && r.outcomes[id].action == "fail" {
				fmt.Fprintf(r.w, "      %s\n", id.test)
			}
		}
	case r.passed[e.Package] == 0:
		fmt.Fprintf(r.w, "-     %-36s %7.1fs  no tests\n", e.Package, e.Elapsed)
	default:
		fmt.Fprintf(r.w, "ok    %-36s %7.1fs  %d passed\n", e.Package, e.Elapsed, r.passed[e.Package])
	}
}

// leaves returns the tests that count, in the order in which they ended: those
// without subtests, and those that failed although no subtest did. A package
// that failed without a failed test (it did not build, it panicked, it ran out
// of time) counts as one.
func (r *report) leaves() []testID {
	failedBelow := make(map[testID]bool)
	for _, id := range r.order {
		if r.outcomes[id].action != "fail" {
			continue
		}
		for t := id.test; t != ""; {
			t = t[:max(strings.LastIndexByte(t, '/'), 0)]
			failedBelow[testID{id.pkg, t}] = true
		}
	}
	var leaves []testID
	for _, id := range r.order {
		failed := r.outcomes[id].action == "fail" && !failedBelow[id]
		if failed || id.test != "" && !r.parents[id] {
			leaves = append(leaves, id)
		}
	}
	return leaves
}

// unfinished returns the tests that began and never ended: the process died
// under them, and their output says how.
func (r *report) unfinished() []testID {
	var ids []testID
	for id, o := range r.outcomes {
		if o.action == "" {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b testID) int { return strings.Compare(a.String(), b.String()) })
	return ids
}

// finish prints what failed and what was skipped, and the summary. status is
// how the command ended.
func (r *report) finish(status error, allowed map[string]string, strict bool) bool {
	leaves := r.leaves()
	refused := r.printSkips(leaves, allowed)
	var passed, failed, skipped int
	for _, id := range leaves {
		switch r.outcomes[id].action {
		case "pass":
			passed++
		case "skip":
			skipped++
		case "fail":
			failed++
			r.printFailure(id)
		}
	}
	for _, id := range r.unfinished() {
		fmt.Fprintf(r.w, "\n--- UNFINISHED %s\n%s", id, strings.Join(r.outcomes[id].output, ""))
	}
	ok := status == nil && failed == 0
	if status != nil && failed == 0 {
		fmt.Fprintf(r.w, "the test command failed: %v\n", status)
		for _, path := range slices.Sorted(maps.Keys(r.builds)) {
			fmt.Fprint(r.w, strings.Join(r.builds[path], ""))
		}
	}
	if strict && refused > 0 {
		ok = false
		fmt.Fprintf(r.w, "%d tests were skipped that must run here\n", refused)
	}
	if passed+failed == 0 {
		ok = false
		fmt.Fprintln(r.w, "no test ran")
	}
	fmt.Fprintf(r.w, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return ok
}

// printSkips prints the tests that were skipped, each with the reason that was
// agreed or with what it said, and returns the number of the latter.
func (r *report) printSkips(leaves []testID, allowed map[string]string) (refused int) {
	for _, id := range leaves {
		o := r.outcomes[id]
		if o.action != "skip" {
			continue
		}
		reason, ok := allowed[id.String()]
		if !ok {
			refused++
			reason = skipReason(o.output)
		}
		fmt.Fprintf(r.w, "skip  %s: %s\n", id, reason)
	}
	return refused
}

// printFailure prints the output of a failed test with that of its parents,
// where helpers and cleanups may have logged; for a package, that of the
// compiler.
func (r *report) printFailure(id testID) {
	fmt.Fprintf(r.w, "\n--- FAIL %s\n", id)
	for i, c := range id.test {
		if c == '/' {
			if o := r.outcomes[testID{id.pkg, id.test[:i]}]; o != nil {
				fmt.Fprint(r.w, strings.Join(o.output, ""))
			}
		}
	}
	fmt.Fprint(r.w, strings.Join(r.outcomes[id].output, ""))
	if id.test != "" {
		return
	}
	for _, path := range slices.Sorted(maps.Keys(r.builds)) {
		// "origami/disk" or, of its test, "origami/disk [origami/disk.test]"
		if name, _, _ := strings.Cut(path, " "); strings.TrimSuffix(name, "_test") == id.pkg {
			fmt.Fprint(r.w, strings.Join(r.builds[path], ""))
		}
	}
}

// skipReason is what a test said before it skipped, on one line.
func skipReason(output []string) string {
	var said []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}

// results returns a line for each test, subtests included.
func (r *report) results() []byte {
	var lines []string
	for _, id := range r.order {
		if id.test != "" {
			lines = append(lines, r.outcomes[id].action+" "+id.String()+"\n")
		}
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// proof is a passed test, as the document names it.
type proof struct {
	test string // "TestCopy/across_regions"
	file string // relative to the repository
}

// prove returns the tests that prove each thing of the catalog, or every
// reason why a claim does not hold.
func prove(c *catalog, claims []claim, outcomes map[string]string) (map[string][]proof, error) {
	known := make(map[string]bool)
	for _, e := range slices.Concat(c.operations, c.statements) {
		known[e.name] = true
	}
	proofs := make(map[string][]proof)
	var errs []error
	for _, cl := range claims {
		tests := cl.tests(outcomes)
		if len(tests) == 0 {
			errs = append(errs, fmt.Errorf("%s: the results know no test %s of %s", cl.where, cl.test+cl.script, cl.pkg))
		}
		for _, test := range tests {
			if o := outcomes[cl.pkg+"."+test]; o != "pass" {
				errs = append(errs, fmt.Errorf("%s: the outcome of %s.%s is %s", cl.where, cl.pkg, test, o))
			}
		}
		if len(cl.things) == 0 {
			errs = append(errs, fmt.Errorf("%s: the claim is empty", cl.where))
		}
		for _, thing := range cl.things {
			if !known[thing] {
				errs = append(errs, fmt.Errorf("%s: %s is neither an operation that is served nor a statement", cl.where, thing))
			}
			for _, test := range tests {
				if p := (proof{test, cl.file}); !slices.Contains(proofs[thing], p) {
					proofs[thing] = append(proofs[thing], p)
				}
			}
		}
	}
	for _, ps := range proofs {
		slices.SortFunc(ps, func(a, b proof) int {
			return strings.Compare(a.file+" "+a.test, b.file+" "+b.test)
		})
	}
	return proofs, errors.Join(errs...)
}

// tests returns the tests with an outcome that the claim is about: one, or
// those that ran a script.
func (cl *claim) tests(outcomes map[string]string) []string {
	if cl.script == "" {
		if _, ok := outcomes[cl.pkg+"."+cl.test]; !ok {
			return nil
		}
		return []string{cl.test}
	}
	var tests []string
	for id := range outcomes {
		test, ok := strings.CutPrefix(id, cl.pkg+".")
		if ok && strings.Contains(test, "/") && path.Base(test) == cl.script {
			tests = append(tests, test)
		}
	}
	slices.Sort(tests)
	return tests
}

// render writes the document.
func render(c *catalog, proofs map[string][]proof) []byte {
	var b bytes.Buffer
	count := func(entries []entry) (n int) {
		for _, e := range entries {
			if len(proofs[e.name]) > 0 {
				n++
			}
		}
		return n
	}
	b.WriteString("# Coverage\n\n")
	b.WriteString("Which test proves what. Written by `make coverage-doc` from the claims in the tests and\n")
	b.WriteString("the outcome of a whole run; do not edit. How to claim: [CONTRIBUTING.md](../CONTRIBUTING.md).\n\n")
	fmt.Fprintf(&b, "%d of %d operations and %d of %d statements are proven.\n",
		count(c.operations), len(c.operations), count(c.statements), len(c.statements))

	b.WriteString("\n## Operations\n\n| Operation | Tests |\n| --- | --- |\n")
	for _, e := range c.operations {
		fmt.Fprintf(&b, "| `%s` | %s |\n", e.name, cell(proofs[e.name], "none"))
	}
	b.WriteString("\n## Statements\n\n| | Statement | Tests |\n| --- | --- | --- |\n")
	for _, e := range c.statements {
		unproven := "later"
		if strings.HasPrefix(e.title, "(") {
			unproven = "explained"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", e.name, e.title, cell(proofs[e.name], unproven))
	}
	return b.Bytes()
}

// cell lists proofs as links.
func cell(proofs []proof, otherwise string) string {
	if len(proofs) == 0 {
		return otherwise
	}
	var links []string
	for _, p := range proofs {
		name := strings.ReplaceAll(p.test, "|", "\\|")
		links = append(links, fmt.Sprintf("[%s](../%s)", name, p.file))
	}
	return strings.Join(links, ", ")
}

// Command coverage writes docs/coverage.md: which test proves which operation and which
// statement about machine images.
//
//	go run ./internal/coverage -results build/test-results.txt [-check]
//
// Tests claim what they prove in a comment of the form
//
//	//origami:proves RegisterImage S44 S55
//
// in the doc comment of a test function, on the line above a t.Run with a
// literal name, or, as "# origami:proves …", in a .txt or .txtar script below
// testdata. A claim counts when the results, written by testreport, say that the test
// passed. A claim of something unknown, or of a test that failed, was skipped
// or is gone, is an error. With -check the file is compared, not written.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "`directory` of the repository")
	results := flag.String("results", "", "`file` of test outcomes")
	check := flag.Bool("check", false, "fail when the document differs instead of writing it")
	flag.Parse()
	if err := run(*root, *results, *check); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func run(root, results string, check bool) error {
	catalog, err := readCatalog(root)
	if err != nil {
		return err
	}
	claims, err := findClaims(root)
	if err != nil {
		return err
	}
	outcomes, err := readOutcomes(results)
	if err != nil {
		return err
	}
	proofs, err := prove(catalog, claims, outcomes)
	if err != nil {
		return err
	}
	doc := render(catalog, proofs)
	name := filepath.Join(root, "docs", "coverage.md")
	if !check {
		return os.WriteFile(name, doc, 0o644)
	}
	have, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, doc) {
		return errors.New("docs/coverage.md is not what the tests prove; run make coverage-doc")
	}
	return nil
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// entry is something that a test can prove.
type entry struct {
	name  string // "CopyImage", "sts:GetCallerIdentity", "S72"
	title string // of a statement
}

// catalog is everything that can be proven, in the order of the document.
type catalog struct {
	operations []entry
	statements []entry
}

// readCatalog reads the operations that are served and the statements.
func readCatalog(root string) (*catalog, error) {
	var c catalog
	for _, source := range []struct {
		file string
		to   *[]entry
	}{
		{"internal/ec2api/operations.txt", &c.operations},
		{"internal/coverage/operations.txt", &c.operations},
		{"internal/coverage/statements.txt", &c.statements},
	} {
		lines, err := readLines(filepath.Join(root, filepath.FromSlash(source.file)))
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			if strings.HasPrefix(line, "#") {
				continue
			}
			name, title, _ := strings.Cut(line, "\t")
			*source.to = append(*source.to, entry{name, title})
		}
	}
	seen := make(map[string]bool)
	for _, e := range slices.Concat(c.operations, c.statements) {
		if seen[e.name] || strings.ContainsAny(e.name, " |") {
			return nil, fmt.Errorf("catalog: %q is there twice, or is no name", e.name)
		}
		seen[e.name] = true
	}
	return &c, nil
}

// readOutcomes reads the lines "pass|fail|skip package.Test" of testreport.
func readOutcomes(name string) (map[string]string, error) {
	lines, err := readLines(name)
	if err != nil {
		return nil, fmt.Errorf("read test results: %w", err)
	}
	outcomes := make(map[string]string)
	for _, line := range lines {
		outcome, test, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("test results %s: line %q", name, line)
		}
		outcomes[test] = outcome
	}
	return outcomes, nil
}

// readLines returns the lines of a file that are not empty.
func readLines(name string) ([]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

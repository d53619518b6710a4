package main

import (
	"fmt"
	"os"
	"strings"
)

// readSkips reads the tests that may be skipped: a line each, "package.Test"
// and, after white space, the reason. Empty lines and lines that begin with #
// say nothing. No file name means no such test.
func readSkips(name string) (map[string]string, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read allowed skips: %w", err)
	}
	allowed := make(map[string]string)
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		test, reason, _ := strings.Cut(line, " ")
		if reason = strings.TrimSpace(reason); reason == "" {
			return nil, fmt.Errorf("%s:%d: %s has no reason", name, i+1, test)
		}
		allowed[test] = reason
	}
	return allowed, nil
}

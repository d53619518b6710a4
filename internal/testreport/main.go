// Command testreport runs a "go test -json" command and says what came of it: a line a
// package while it runs, with the names of tests that failed, the whole output of what failed, the tests that were
// skipped and why, and a last line "N passed, N failed, N skipped".
//
//	go run ./internal/testreport [-results FILE] [-skips FILE] [-strict] go test -json ./...
//
// It exits with 1 when a test, a package or the command failed, when no test
// ran, and, with -strict, when a test was skipped that the file of -skips does
// not name. Leaves are counted: a test with subtests counts only when it fails
// and none of them did.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	results := flag.String("results", "", "write one `file` of lines \"pass|fail|skip package.Test\"")
	skips := flag.String("skips", "", "`file` of tests that may be skipped, each with its reason")
	strict := flag.Bool("strict", false, "fail when a test is skipped that -skips does not name")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: testreport [flags] go test -json ...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, os.Stdout, flag.Args(), *results, *skips, *strict)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run executes command, reports on its output to w, and says whether all is
// well. The results are written even when it is not.
func run(ctx context.Context, w io.Writer, command []string, results, skips string, strict bool) (bool, error) {
	allowed, err := readSkips(skips)
	if err != nil {
		return false, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start %s: %w", command[0], err)
	}
	r := newReport(w)
	readErr := r.read(stdout)
	io.Copy(io.Discard, stdout) // after a read error: let the command end
	status := cmd.Wait()
	if readErr != nil {
		return false, fmt.Errorf("read the output of %s: %w", command[0], readErr)
	}
	ok := r.finish(status, allowed, strict)
	if results != "" {
		if err := os.WriteFile(results, r.results(), 0o644); err != nil {
			return false, fmt.Errorf("write results: %w", err)
		}
	}
	return ok, nil
}

// Command bench measures Origami against named peers, in one run, and writes
// what it found as Markdown.
//
//	go run ./internal/bench -origami bin/origami -debian build/debian.raw [-pairs 7] [-only import]
//
// Every figure is a ratio of pairs that were measured in turn, A B A B …, so
// that it holds on a machine whose speed drifts: the median of the paired
// ratios is quoted, with the smallest and the largest. CPU seconds are user and
// system time of all processes that do the work, the service's included.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"
)

// config is what all benchmarks share.
type config struct {
	origami string // the program
	debian  string // disk of a real Debian system, raw
	guest   string // disk of the small guest, raw
	work    string // directory for data, removed at the end
	pairs   int
}

// benchmarks are run in this order; those that take long only when they are
// named.
var benchmarks = []struct {
	name string
	run  func(context.Context, *config, *report) error
	long bool
}{
	{name: "import", run: benchImport},
	{name: "launch", run: benchLaunch},
	{name: "boot", run: benchBoot},
	{name: "fetch", run: benchFetch},
	{name: "nbd", run: benchNBD},
	{name: "snapshot", run: benchSnapshot},
	{name: "freeze", run: benchFreeze},
	{name: "copy", run: benchCopy},
	{name: "describe", run: benchDescribe},
	{name: "describe-million", run: benchDescribeMillion, long: true},
	{name: "recover", run: benchRecover},
}

func main() {
	var c config
	flag.StringVar(&c.origami, "origami", "bin/origami", "the `program` to measure")
	flag.StringVar(&c.debian, "debian", "build/debian.raw", "raw `disk` of a Debian system")
	flag.StringVar(&c.guest, "guest", "build/guest.raw", "raw `disk` of the small guest")
	flag.IntVar(&c.pairs, "pairs", 7, "`number` of paired measurements")
	only := flag.String("only", "", "`names` of the benchmarks to run, separated by commas: "+strings.Join(names(), ", "))
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &c, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// names are those of all benchmarks.
func names() []string {
	all := make([]string, len(benchmarks))
	for i, b := range benchmarks {
		all[i] = b.name
	}
	return all
}

// choose reads a list of names; an empty one means all that do not take long.
func choose(list string) (chosen []string, err error) {
	if list == "" {
		for _, b := range benchmarks {
			if !b.long {
				chosen = append(chosen, b.name)
			}
		}
		return chosen, nil
	}
	chosen = strings.Split(list, ",")
	for _, name := range chosen {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("there is no benchmark %q; there are: %s", name, strings.Join(names(), ", "))
		}
	}
	return chosen, nil
}

func run(ctx context.Context, c *config, only string) (err error) {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	if c.work, err = os.MkdirTemp("", "origami-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(c.work)
	r := &report{}
	r.printf("Measured %s on %d processors (%s), load %s before, %d pairs.\n\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), processor(), load(), c.pairs)
	for _, b := range benchmarks {
		if !slices.Contains(chosen, b.name) {
			continue
		}
		if err := b.run(ctx, c, r); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	r.printf("Load after: %s.\n", load())
	return nil
}

// processor is the name of the host's processor.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

// load is the load average of the last minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

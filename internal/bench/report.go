package main

import (
	"fmt"
	"os"
	"slices"
)

// report writes Markdown to standard output as it goes.
type report struct{}

func (r *report) printf(format string, args ...any) { fmt.Fprintf(os.Stdout, format, args...) }

// cost is what one run took.
type cost struct {
	wall float64 // seconds
	cpu  float64 // seconds
	peak int64   // bytes of memory, of the largest process
	size int64   // bytes of the result
}

// spread is the smallest, median and largest of some numbers.
type spread struct{ min, median, max float64 }

func spreadOf(values []float64) spread {
	s := slices.Clone(values)
	slices.Sort(s)
	return spread{s[0], s[len(s)/2], s[len(s)-1]}
}

func (s spread) String() string { return fmt.Sprintf("%.3f (%.3f–%.3f)", s.median, s.min, s.max) }

// over are the ratios of a's figure to b's, pair by pair.
func over(a, b []cost, figure func(cost) float64) spread {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = figure(a[i]) / figure(b[i])
	}
	return spreadOf(ratios)
}

// of is the spread of one figure.
func of(a []cost, figure func(cost) float64) spread {
	values := make([]float64, len(a))
	for i := range a {
		values[i] = figure(a[i])
	}
	return spreadOf(values)
}

func wall(c cost) float64 { return c.wall }
func cpu(c cost) float64  { return c.cpu }
func size(c cost) float64 { return float64(c.size) }
func peak(c cost) float64 { return float64(c.peak) / (1 << 20) }

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// table is a table for people.
type table struct{ w *tabwriter.Writer }

// newTable begins a table with the titles of its columns.
func newTable(w io.Writer, titles ...any) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(titles...)
	return t
}

// row adds a line. The entries are written as fmt.Print writes them, but a time
// in UTC, and none is empty or able to move the cursor.
func (t table) row(entries ...any) {
	words := make([]string, len(entries))
	for i, e := range entries {
		if when, ok := e.(time.Time); ok {
			e = timeText(when)
		}
		words[i] = cell(fmt.Sprint(e))
	}
	fmt.Fprintln(t.w, strings.Join(words, "\t")) // Flush returns its error
}

// end writes the table.
func (t table) end() error { return t.w.Flush() }

// cell makes an entry of a table: never empty, and never able to move the
// cursor.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return '?'
		}
		return c
	}, s)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// printRows writes rows as --output asks: as JSON, or as the table that print
// makes of them.
func printRows[R any](w io.Writer, output string, rows []R, print func(io.Writer, []R) error) error {
	if output == "json" {
		return printJSON(w, rows)
	}
	return print(w, rows)
}

// list answers a command that lists something of its target: what find finds.
func list[R any](ctx context.Context, t *target, w io.Writer, find func(*view) ([]R, error), print func(io.Writer, []R) error) error {
	if err := t.check(); err != nil {
		return err
	}
	v, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	rows, err := find(v)
	if err != nil {
		return plain(err)
	}
	return printRows(w, t.output, rows, print)
}

package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Match is a statement that applies to a request.
type Match struct {
	Effect     Effect
	Start, End Position // in the text of the document; see Positions
}

// Position is a place in a text: a line and a column in bytes, from 1.
type Position struct{ Line, Column int }

// Matches lists the statements of the document that apply to a request, in their
// order. places are their places in the text.
func (d *Document) Matches(r *Request, places []Match) []Match {
	var out []Match
	for i := range d.statements {
		if e := d.statements[i].evaluate(r, d.ids); e != Silent {
			m := places[i]
			m.Effect = e
			out = append(out, m)
		}
	}
	return out
}

// Positions finds the places of the statements of a document in its text. The
// document has been parsed.
func Positions(text string) ([]Match, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	var out []Match
	place := func() error {
		start := dec.InputOffset()
		start += int64(strings.IndexByte(text[start:], '{'))
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return err
		}
		out = append(out, Match{Start: position(text, start), End: position(text, dec.InputOffset())})
		return nil
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("find statements: %w", err)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("find statements: %w", err)
		}
		if name != "Statement" {
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return nil, fmt.Errorf("find statements: %w", err)
			}
			continue
		}
		rest := strings.TrimLeft(text[dec.InputOffset():], " \t\r\n:")
		if !strings.HasPrefix(rest, "[") {
			if err := place(); err != nil {
				return nil, fmt.Errorf("find statements: %w", err)
			}
			continue
		}
		if _, err := dec.Token(); err != nil {
			return nil, fmt.Errorf("find statements: %w", err)
		}
		for dec.More() {
			if err := place(); err != nil {
				return nil, fmt.Errorf("find statements: %w", err)
			}
		}
		if _, err := dec.Token(); err != nil {
			return nil, fmt.Errorf("find statements: %w", err)
		}
	}
	return out, nil
}

func position(text string, at int64) Position {
	before := text[:at]
	return Position{1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')}
}

// ContextKeys lists the condition keys that the document asks about, in its
// conditions and as variables, as they are first written, sorted by lower case.
// If action is not "", it lists those of statements about that action only.
func (d *Document) ContextKeys(action string) []string {
	keys := make(map[string]string) // by lower case
	add := func(key, name string) {
		if keys[key] == "" {
			keys[key] = name
		}
	}
	variables := func(p pattern) {
		for _, t := range p.tokens {
			if t.kind == variable {
				add(t.name, t.key)
			}
		}
	}
	for i := range d.statements {
		s := &d.statements[i]
		if action != "" && !s.hasAction(action) {
			continue
		}
		for _, p := range s.resources {
			variables(p)
		}
		for _, c := range s.conditions {
			add(c.key, c.name)
			for _, v := range c.values {
				variables(v.pattern)
			}
		}
	}
	var out []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		out = append(out, keys[key])
	}
	return out
}

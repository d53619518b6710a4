package policy

import (
	"encoding/json"
	"maps"
	"slices"
)

// Statement is a statement of a document as it is written. Actions and
// Resources are those that it is not about if it names these.
type Statement struct {
	ID         string
	Actions    []string
	Resources  []string
	Conditions []Condition
}

// Condition is a key that a statement asks about, with the values that it
// compares.
type Condition struct {
	Key    string
	Values []string
}

// Denials lists the statements of the documents that deny a request.
func (p *Policies) Denials(r *Request) []Statement {
	var out []Statement
	for _, docs := range [][]*Document{p.Identity, {p.Boundary}, p.Session, {p.Resource}} {
		for _, d := range docs {
			if d != nil {
				out = append(out, d.denials(r)...)
			}
		}
	}
	return out
}

func (d *Document) denials(r *Request) []Statement {
	var written []writtenStatement
	var out []Statement
	for i := range d.statements {
		if d.statements[i].evaluate(r, d.ids) != Deny {
			continue
		}
		if written == nil {
			written = d.written()
		}
		if i < len(written) {
			out = append(out, written[i].statement())
		}
	}
	return out
}

// writtenStatement is the JSON of a statement.
type writtenStatement struct {
	Sid                   string
	Action, NotAction     oneOrMore[scalar]
	Resource, NotResource oneOrMore[scalar]
	Condition             map[string]map[string]oneOrMore[scalar]
}

// written reads the text of the document again. It has been parsed, so that
// what cannot be read has nothing to tell.
func (d *Document) written() []writtenStatement {
	var text struct{ Statement oneOrMore[writtenStatement] }
	if json.Unmarshal([]byte(d.text), &text) != nil {
		return nil
	}
	return text.Statement
}

func (w writtenStatement) statement() Statement {
	s := Statement{
		ID:        w.Sid,
		Actions:   texts(append(w.Action, w.NotAction...)),
		Resources: texts(append(w.Resource, w.NotResource...)),
	}
	for _, op := range slices.Sorted(maps.Keys(w.Condition)) {
		for _, key := range slices.Sorted(maps.Keys(w.Condition[op])) {
			s.Conditions = append(s.Conditions, Condition{key, texts(w.Condition[op][key])})
		}
	}
	return s
}

// oneOrMore is a list, or an element that stands for a list of it.
type oneOrMore[T any] []T

func (o *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(o))
	}
	*o = make([]T, 1)
	return json.Unmarshal(b, &(*o)[0])
}

// scalar is a string, a number or a truth value, as text.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '"' {
		*s = scalar(b)
		return nil
	}
	return json.Unmarshal(b, (*string)(s))
}

func texts(list []scalar) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, string(s))
	}
	return out
}

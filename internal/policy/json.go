package policy

import (
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// node is a JSON value: an object, an array, or a scalar as text.
type node struct {
	kind    nodeKind
	text    string   // of a scalar
	names   []string // of the members of an object
	members []node   // of an object or an array
}

type nodeKind byte

const (
	object nodeKind = iota
	array
	str
	number
	boolean
	null
)

// reader reads nodes. The decoder of encoding/json into structs would take
// names in any case and the last of two members of one name; a policy that
// two readers understand differently is a hole.
type reader struct {
	dec  *json.Decoder
	left int // values that may follow
}

// read parses the whole of text.
func read(text string) (node, error) {
	if len(text) > MaxSize || !utf8.ValidString(text) {
		return node{}, malformed(reasonSyntax)
	}
	r := &reader{json.NewDecoder(strings.NewReader(text)), maxValues}
	r.dec.UseNumber()
	n, err := r.value(maxDepth)
	if err != nil {
		return node{}, malformed(reasonSyntax)
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return node{}, malformed(reasonSyntax)
	}
	return n, nil
}

func (r *reader) value(depth int) (node, error) {
	if r.left--; r.left < 0 || depth < 0 {
		return node{}, malformed(reasonSyntax)
	}
	t, err := r.dec.Token()
	if err != nil {
		return node{}, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(depth)
		}
		return r.array(depth)
	case string:
		return node{kind: str, text: t}, nil
	case json.Number:
		return node{kind: number, text: t.String()}, nil
	case bool:
		if t {
			return node{kind: boolean, text: "true"}, nil
		}
		return node{kind: boolean, text: "false"}, nil
	}
	return node{kind: null}, nil
}

func (r *reader) object(depth int) (node, error) {
	n := node{kind: object}
	seen := make(map[string]bool)
	for r.dec.More() {
		t, err := r.dec.Token()
		if err != nil {
			return n, err
		}
		name := t.(string) // the decoder takes nothing else here
		v, err := r.value(depth - 1)
		if err != nil {
			return n, err
		}
		if seen[name] {
			return n, malformed(reasonSyntax)
		}
		seen[name] = true
		n.names, n.members = append(n.names, name), append(n.members, v)
	}
	_, err := r.dec.Token() // the end
	return n, err
}

func (r *reader) array(depth int) (node, error) {
	n := node{kind: array}
	for r.dec.More() {
		v, err := r.value(depth - 1)
		if err != nil {
			return n, err
		}
		n.members = append(n.members, v)
	}
	_, err := r.dec.Token()
	return n, err
}

// strings are the texts of a string or an array of strings.
func (n node) strings() ([]string, bool) {
	if n.kind == str {
		return []string{n.text}, true
	}
	if n.kind != array {
		return nil, false
	}
	out := make([]string, len(n.members))
	for i, m := range n.members {
		if m.kind != str {
			return nil, false
		}
		out[i] = m.text
	}
	return out, true
}

// scalars are the texts of a scalar or an array of scalars; null is none.
func (n node) scalars() ([]string, bool) {
	list := []node{n}
	if n.kind == array {
		list = n.members
	}
	out := make([]string, len(list))
	for i, m := range list {
		if m.kind != str && m.kind != number && m.kind != boolean {
			return nil, false
		}
		out[i] = m.text
	}
	return out, true
}

package awsquery

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a request. They exceed the largest one that EC2 admits (tags on
// 1000 resources, 64 kB of UEFI data) by a good margin.
const (
	// MaxParameters is the largest number of parameters.
	MaxParameters = 8192
	// MaxBytes is the largest total size of names and values.
	MaxBytes = 1 << 20
	// MaxDepth is the largest number of dotted parts of a name.
	MaxDepth = 16
	// MaxIndex is the largest list index.
	MaxIndex = 99999
)

// node is one dotted prefix of the parameters: its own value, if a parameter
// has exactly that name, and the longer names below it.
type node struct {
	value string
	has   bool
	kids  map[string]*node
}

// parse arranges parameters as a tree.
func parse(form url.Values) (*node, error) {
	if len(form) > MaxParameters {
		return nil, malformed("The request has more than %d parameters", MaxParameters)
	}
	total := 0
	root := new(node)
	for _, name := range sortedKeys(form) {
		values := form[name]
		if len(values) == 0 {
			continue
		}
		total += len(name) + len(values[0])
		if total > MaxBytes {
			return nil, malformed("The parameters exceed %d bytes", MaxBytes)
		}
		if len(values) > 1 {
			return nil, malformed("The parameter %s is given more than once", clip(strings.ToValidUTF8(name, "\uFFFD")))
		}
		if err := checkText(name, values[0]); err != nil {
			return nil, err
		}
		if err := root.insert(name, values[0]); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func (n *node) insert(name, value string) error {
	if strings.Count(name, ".") >= MaxDepth {
		return malformed("The parameter %s is nested too deeply", clip(name))
	}
	for part := range strings.SplitSeq(name, ".") {
		if part == "" {
			return malformed("The parameter name %q has an empty part", clip(name))
		}
		kid := n.kids[part]
		if kid == nil {
			kid = new(node)
			if n.kids == nil {
				n.kids = make(map[string]*node)
			}
			n.kids[part] = kid
		}
		n = kid
	}
	n.value, n.has = value, true
	return nil
}

// leaf is the first complete parameter name at or below the node.
func (n *node) leaf(path string) string {
	for !n.has && len(n.kids) > 0 {
		k := sortedKeys(n.kids)[0]
		n, path = n.kids[k], join(path, k)
	}
	return path
}

// index is one element of a list.
type index struct {
	n int
	*node
}

// indices are the elements below a list's node in ascending order.
func (n *node) indices(path string) ([]index, error) {
	list := make([]index, 0, len(n.kids))
	for _, k := range sortedKeys(n.kids) {
		i, ok := parseIndex(k)
		if !ok {
			return nil, unknown(n.kids[k].leaf(join(path, k)))
		}
		list = append(list, index{i, n.kids[k]})
	}
	slices.SortFunc(list, func(a, b index) int { return a.n - b.n })
	return list, nil
}

// parseIndex reads a list index. Only the canonical decimal form is one, so
// that no two names mean the same element.
func parseIndex(s string) (int, bool) {
	if len(s) > len(strconv.Itoa(MaxIndex)) {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || s[0] == '0' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, n > 0
}

// checkText refuses text that an XML answer could not give back unchanged.
func checkText(name, value string) error {
	for _, s := range []string{name, value} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, notXML) {
			return &Error{Code: codeInvalidCharacter, Message: "The parameter " +
				strconv.QuoteToASCII(clip(strings.ToValidUTF8(name, "\uFFFD"))) + " contains an invalid character"}
		}
	}
	return nil
}

// notXML reports whether r is outside the characters of XML 1.0, section 2.2.
func notXML(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

func join(path, part string) string {
	if path == "" {
		return part
	}
	return path + "." + part
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

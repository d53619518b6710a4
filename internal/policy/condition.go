package policy

import (
	"strings"
)

// condition is one line of a Condition block: a key, how to compare it and with
// what. The values of the policy are alternatives.
type condition struct {
	op       *operator
	set      setKind
	ifExists bool
	key      string // in lower case
	name     string // as it is written
	values   []operand
}

// setKind says how many of the values of a key have to compare.
type setKind byte

const (
	oneValue setKind = iota
	allValues
	anyValue
)

// operand is a value of the policy, parsed for its operator.
type operand struct {
	pattern pattern
	value   any
}

func (d *Document) parseConditions(v node) ([]condition, error) {
	if v.kind != object {
		return nil, malformed(reasonSyntax)
	}
	var out []condition
	for i, name := range v.names {
		block := v.members[i]
		if block.kind != object || len(block.names) == 0 {
			return nil, malformed(reasonSyntax)
		}
		c, ok := parseOperator(name)
		if !ok {
			return nil, malformed("Invalid Condition type : %.64s.", name)
		}
		seen := make(map[string]bool)
		for j, key := range block.names {
			one, err := d.parseCondition(c, key, block.members[j])
			if err != nil {
				return nil, err
			}
			if seen[one.key] {
				return nil, malformed(reasonSyntax)
			}
			seen[one.key] = true
			out = append(out, one)
		}
	}
	return out, nil
}

// parseOperator reads the name of an operator with its prefix and suffix.
func parseOperator(name string) (condition, bool) {
	var c condition
	if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		name, c.set = rest, allValues
	} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		name, c.set = rest, anyValue
	}
	if rest, ok := strings.CutSuffix(name, "IfExists"); ok {
		name, c.ifExists = rest, true
	}
	c.op = operators[name]
	if c.op == nil || c.op.null && (c.ifExists || c.set != oneValue) {
		return c, false
	}
	return c, true
}

// maxKey bounds the name of a condition key, in bytes.
const maxKey = 512

// parseCondition completes c with a key and its values.
func (d *Document) parseCondition(c condition, key string, v node) (condition, error) {
	vendor, rest, ok := strings.Cut(key, ":")
	if !ok || vendor == "" || rest == "" || len(key) > maxKey {
		return c, malformed(reasonVendor)
	}
	c.key, c.name = strings.ToLower(key), key
	values, ok := v.scalars()
	if !ok {
		return c, malformed(reasonSyntax)
	}
	for _, s := range values {
		o, ok := c.op.parse(s, d.variables())
		if !ok {
			return c, malformed("The value %.128q of the condition %.128s is not valid.", s, key)
		}
		c.values = append(c.values, o)
	}
	return c, nil
}

// holds reports whether the condition is true of a request.
func (c *condition) holds(keys Keys) bool {
	have, exists := keys[c.key]
	exists = exists && len(have) > 0
	if c.op.null {
		return c.op.any(c.values, boolText(!exists), keys)
	}
	if !exists {
		return c.ifExists || c.set == allValues || c.op.negated && c.set != anyValue
	}
	switch c.set {
	case allValues:
		for _, h := range have {
			if !c.one(h, keys) {
				return false
			}
		}
		return true
	case anyValue:
		for _, h := range have {
			if c.one(h, keys) {
				return true
			}
		}
		return false
	}
	// A key of several values compares if one does; negated, if none does.
	for _, h := range have {
		if c.op.any(c.values, h, keys) {
			return !c.op.negated
		}
	}
	return c.op.negated
}

// one compares one value of the key.
func (c *condition) one(have string, keys Keys) bool {
	return c.op.any(c.values, have, keys) != c.op.negated
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

package awsquery

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Support says which of an operation's parameters are acted upon, so that a
// door can refuse a parameter that the model knows and nothing implements:
// ignoring it would be a lie. The zero value supports none.
type Support struct {
	any    map[string]bool     // patterns with every value
	values map[string][]string // patterns with these values only
}

// ParseSupport reads a list of patterns, separated by white space:
//
//	ImageId  BlockDeviceMapping.N.Ebs.VolumeSize  EbsOptimized=false  Filter.*
//
// A pattern names a parameter with N for every index. After "=" stand the
// values that are supported, separated by "|", compared without case: the
// way to accept a client that spells out a default. A last part "*" stands
// for everything below. Each pattern must name parameters of the struct type
// of in, so that a misspelling is an error.
func (d Dialect) ParseSupport(patterns string, in any) (Support, error) {
	s := Support{any: make(map[string]bool), values: make(map[string][]string)}
	known := d.Patterns(in)
	for _, p := range strings.Fields(patterns) {
		name, values, limited := strings.Cut(p, "=")
		matched := false
		for _, k := range known {
			below, tree := strings.CutSuffix(name, "*")
			if k != name && !(tree && strings.HasSuffix(below, ".") && strings.HasPrefix(k, below)) {
				continue
			}
			matched = true
			if limited {
				s.values[k] = append(s.values[k], strings.Split(values, "|")...)
			} else {
				s.any[k] = true
			}
		}
		if !matched {
			return Support{}, fmt.Errorf("%T has no parameter %s", in, name)
		}
	}
	return s, nil
}

// Refuse returns the first of params that is not supported. Whether only its
// value is unsupported is in the second result.
func (s Support) Refuse(params []Param) (p Param, value, refused bool) {
	for _, p := range params {
		if s.any[p.Pattern] {
			continue
		}
		values, limited := s.values[p.Pattern]
		if !limited || !slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, p.Value) }) {
			return p, limited, true
		}
	}
	return Param{}, false, false
}

// Patterns lists the parameters that a struct can take, each as the Pattern
// of [Param], in the order of its fields. A structure that contains itself is
// listed once along each path.
func (d Dialect) Patterns(in any) []string {
	t := reflect.TypeOf(in)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return d.patterns(nil, "", t, nil)
}

func (d Dialect) patterns(list []string, at string, t reflect.Type, above []reflect.Type) []string {
	if slices.Contains(above, t) {
		return list
	}
	above = append(above, t)
	for _, f := range planOf(t).fields {
		if f.query == "" {
			continue
		}
		path := join(at, f.query)
		if f.kind == kindList {
			if d == Query {
				path += ".member"
			}
			path += ".N"
		}
		if f.kind == kindStruct || f.kind == kindList && f.elem == kindStruct {
			list = d.patterns(list, path, f.base, above)
			continue
		}
		list = append(list, path)
	}
	return list
}

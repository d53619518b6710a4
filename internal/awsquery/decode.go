package awsquery

import (
	"fmt"
	"net/url"
	"reflect"
	"strconv"
)

// Dialect is one of the two protocols.
type Dialect int

// The dialects.
const (
	EC2   Dialect = iota // the query protocol of EC2: flattened lists
	Query                // the AWS query protocol: lists of "member"
)

// Param is a parameter that was present in a request and not empty.
type Param struct {
	Path    string // name as sent: "Filter.2.Value.1"
	Pattern string // name with every index as N: "Filter.N.Value.N"
	Value   string
}

// Decode fills the struct that into points to from parameters, and returns
// the parameters it took in the order of the struct's fields. The protocol's
// own parameters, Action and Version, are skipped. Every failure is an
// [*Error] for the sender, and into is then in no particular state.
//
// Rules named enum look their values up in enums. Decode panics if into is no
// pointer to a struct, or if a tag of it is wrong.
func (d Dialect) Decode(form url.Values, into any, enums Enums) ([]Param, error) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("awsquery: decode into %T", into))
	}
	root, err := parse(form)
	if err != nil {
		return nil, err
	}
	delete(root.kids, "Action")
	delete(root.kids, "Version")
	dec := decoder{dialect: d, enums: enums}
	if _, err := dec.structure(root, name{}, planOf(v.Elem().Type()), v.Elem(), true); err != nil {
		return nil, err
	}
	return dec.params, nil
}

type decoder struct {
	dialect Dialect
	enums   Enums
	params  []Param
}

// name is where the decoder stands, in both spellings of Param.
type name struct{ path, pattern string }

func (n name) field(s string) name { return name{join(n.path, s), join(n.pattern, s)} }

func (n name) index(i int) name {
	return name{join(n.path, strconv.Itoa(i)), join(n.pattern, "N")}
}

// structure decodes the members of a struct. It reports whether any was
// present; what must be present is demanded only of structures that are.
func (d *decoder) structure(n *node, at name, p *plan, dst reflect.Value, top bool) (bool, error) {
	if n.has && n.value != "" {
		return false, invalid(at.path, n.value, "It must be a structure.")
	}
	for _, k := range sortedKeys(n.kids) {
		if _, ok := p.byQuery[k]; !ok {
			return false, unknown(n.kids[k].leaf(join(at.path, k)))
		}
	}
	present := false
	absent := ""
	for i := range p.fields {
		f := &p.fields[i]
		if f.query == "" {
			continue
		}
		ok, err := d.member(n.kids[f.query], at.field(f.query), f, dst.Field(f.index))
		if err != nil {
			return false, err
		}
		present = present || ok
		if !ok && f.rule.required && absent == "" {
			absent = join(at.path, f.query)
		}
	}
	if absent != "" && (present || top) {
		return false, missing(absent)
	}
	return present, nil
}

// member decodes one field of a struct.
func (d *decoder) member(n *node, at name, f *field, dst reflect.Value) (bool, error) {
	if n == nil {
		return false, nil
	}
	switch f.kind {
	case kindStruct:
		v := reflect.New(f.base)
		ok, err := d.structure(n, at, planOf(f.base), v.Elem(), false)
		if ok && err == nil {
			dst.Set(v)
		}
		return ok, err
	case kindList:
		return d.list(n, at, f, dst)
	case kindBlob:
		ok, err := d.leaf(n, at, f)
		if !ok || err != nil {
			return false, err
		}
		return true, parseBlob(at.path, n.value, dst)
	default:
		v := reflect.New(f.base)
		ok, err := d.scalar(n, at, f, v.Elem())
		if ok && err == nil {
			dst.Set(v)
		}
		return ok, err
	}
}

func (d *decoder) scalar(n *node, at name, f *field, dst reflect.Value) (bool, error) {
	ok, err := d.leaf(n, at, f)
	if !ok || err != nil {
		return false, err
	}
	return true, d.enums.scalar(f, at.path, n.value, dst)
}

// leaf reports whether a node holds a present scalar, and notes it.
func (d *decoder) leaf(n *node, at name, f *field) (bool, error) {
	for _, k := range sortedKeys(n.kids) {
		return false, unknown(n.kids[k].leaf(join(at.path, k)))
	}
	if !n.has || n.value == "" && !f.keepEmpty {
		return false, nil
	}
	d.params = append(d.params, Param{at.path, at.pattern, n.value})
	return true, nil
}

func (d *decoder) list(n *node, at name, f *field, dst reflect.Value) (bool, error) {
	n, at, err := d.enter(n, at, f)
	if n == nil || err != nil {
		return false, err
	}
	elems, err := n.indices(at.path)
	if err != nil {
		return false, err
	}
	out := reflect.MakeSlice(dst.Type(), 0, len(elems))
	for _, e := range elems {
		v := reflect.New(f.base).Elem()
		ok, err := d.element(e.node, at.index(e.n), f, v)
		if err != nil {
			return false, err
		}
		if ok {
			out = reflect.Append(out, v)
		}
	}
	if f.rule.items > 0 && out.Len() > f.rule.items {
		return false, outside(at.path, strconv.Itoa(out.Len())+" values", fmt.Sprintf("It takes at most %d.", f.rule.items),
			fmt.Sprintf("Member must have length less than or equal to %d", f.rule.items))
	}
	if out.Len() == 0 {
		return false, nil
	}
	dst.Set(out)
	return true, nil
}

func (d *decoder) element(n *node, at name, f *field, dst reflect.Value) (bool, error) {
	if f.elem == kindStruct {
		return d.structure(n, at, planOf(f.base), dst, false)
	}
	return d.scalar(n, at, f, dst)
}

// enter finds the node whose children are the indices of a list; nil if the
// list is absent. A bare name is the first element in the EC2 dialect and
// only ever the empty list in the other one.
func (d *decoder) enter(n *node, at name, f *field) (*node, name, error) {
	bare := n.has && n.value != ""
	if d.dialect == Query {
		if bare {
			return nil, at, invalid(at.path, n.value, "It must be a list.")
		}
		for _, k := range sortedKeys(n.kids) {
			if k != "member" {
				return nil, at, unknown(n.kids[k].leaf(join(at.path, k)))
			}
		}
		list, at := n.kids["member"], at.field("member")
		if list != nil && list.has && list.value != "" {
			return nil, at, unknown(at.path)
		}
		return list, at, nil
	}
	if !bare {
		return n, at, nil
	}
	if f.elem == kindStruct {
		return nil, at, invalid(at.path, n.value, "It must be a list of structures.")
	}
	if n.kids["1"] != nil {
		return nil, at, malformed("The parameter %s is given both with and without an index", clip(at.path))
	}
	kids := map[string]*node{"1": {value: n.value, has: true}}
	for k, kid := range n.kids {
		kids[k] = kid
	}
	return &node{kids: kids}, at, nil
}

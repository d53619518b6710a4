package awsjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxDepth bounds how deeply a body may be nested.
const maxDepth = 32

// Decode fills the struct that into points to from a body; an empty one is an
// empty object. Every failure is an [*Error] for the sender, and into is then in
// no particular state. Decode panics if into is no pointer to a struct, or if
// one of its fields cannot travel.
func Decode(body []byte, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("awsjson: decode into %T", into))
	}
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if !utf8.Valid(body) {
		return malformed("The request body is not valid UTF-8.")
	}
	d := decoder{json: json.NewDecoder(bytes.NewReader(body))}
	d.json.UseNumber()
	if err := d.value(planOf(v.Elem().Type()), v.Elem()); err != nil {
		return err
	}
	if _, err := d.json.Token(); err != io.EOF {
		return malformed("The request body has something behind its end.")
	}
	return d.broken.err()
}

// decoder walks a body along a plan.
type decoder struct {
	json   *json.Decoder
	depth  int
	broken violations
}

// token is the next token. The end of the body is a syntax error too: who asks
// expects more.
func (d *decoder) token() (json.Token, error) {
	t, err := d.json.Token()
	if err != nil {
		return nil, malformed("The request body is not well-formed JSON.")
	}
	return t, nil
}

// value decodes the body as a whole.
func (d *decoder) value(p *plan, dst reflect.Value) error {
	t, err := d.token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return mistyped(t, "Structure")
	}
	return d.structure(p, dst, "")
}

// structure decodes the members of an object whose brace is read.
func (d *decoder) structure(p *plan, dst reflect.Value, at string) error {
	seen := make([]bool, len(p.fields))
	err := d.members(func(name string) error {
		i, ok := p.byName[name]
		if !ok {
			return &Error{CodeValidation, fmt.Sprintf("The parameter %s is not recognized", clip(join(at, name)))}
		}
		if seen[i] {
			return malformed("The parameter %s is given more than once.", clip(join(at, name)))
		}
		seen[i] = true
		f := &p.fields[i]
		return d.member(f, dst.Field(f.index), join(at, camel(name)))
	})
	if err != nil {
		return err
	}
	for i := range p.fields {
		f := &p.fields[i]
		if f.rule.required && dst.Field(f.index).IsNil() {
			d.broken.add("Value null at '%s' failed to satisfy constraint: Member must not be null", join(at, camel(f.name)))
		}
	}
	return nil
}

// members calls each with the names in an object whose brace is read; each
// reads the value.
func (d *decoder) members(each func(name string) error) error {
	if d.depth++; d.depth > maxDepth {
		return malformed("The request body is nested too deeply.")
	}
	defer func() { d.depth-- }()
	for d.json.More() {
		t, err := d.token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return malformed("The request body is not well-formed JSON.")
		}
		if err := each(name); err != nil {
			return err
		}
	}
	_, err := d.token() // the closing brace
	return err
}

// elements calls each before every element of an array whose bracket is read;
// each reads the element.
func (d *decoder) elements(each func(i int) error) error {
	if d.depth++; d.depth > maxDepth {
		return malformed("The request body is nested too deeply.")
	}
	defer func() { d.depth-- }()
	for i := 0; d.json.More(); i++ {
		if err := each(i); err != nil {
			return err
		}
	}
	_, err := d.token() // the closing bracket
	return err
}

// member decodes the value of one field.
func (d *decoder) member(f *field, dst reflect.Value, at string) error {
	t, err := d.token()
	if err != nil || t == nil {
		return err
	}
	switch f.kind {
	case kindPresent:
		dst.SetBool(true)
		return d.skip(t)
	case kindStruct:
		if t != json.Delim('{') {
			return mistyped(t, "Structure")
		}
		v := reflect.New(f.base)
		dst.Set(v)
		return d.structure(planOf(f.base), v.Elem(), at)
	case kindList:
		return d.list(t, f, dst, at)
	case kindMap:
		return d.stringMap(t, f, dst, at)
	case kindBlob:
		return d.blob(t, f, dst, at)
	}
	v := reflect.New(f.base)
	dst.Set(v)
	return d.scalar(t, f.kind, &f.rule, v.Elem(), at)
}

func (d *decoder) list(t json.Token, f *field, dst reflect.Value, at string) error {
	if t != json.Delim('[') {
		return mistyped(t, "List")
	}
	list := reflect.MakeSlice(dst.Type(), 0, 0)
	err := d.elements(func(i int) error {
		t, err := d.token()
		if err != nil {
			return err
		}
		at := at + "." + strconv.Itoa(i+1) + ".member"
		v := reflect.New(f.base).Elem()
		switch {
		case t == nil:
			return malformed("A list has an element that is null.")
		case f.elem == kindString:
			err = d.scalar(t, kindString, &f.each, v, at)
		case t != json.Delim('{'):
			err = mistyped(t, "Structure")
		default:
			err = d.structure(planOf(f.base), v, at)
		}
		list = reflect.Append(list, v)
		return err
	})
	dst.Set(list)
	d.broken.size(&f.rule, list.Len(), at)
	return err
}

func (d *decoder) stringMap(t json.Token, f *field, dst reflect.Value, at string) error {
	if t != json.Delim('{') {
		return mistyped(t, "Map")
	}
	m := map[string]string{}
	err := d.members(func(name string) error {
		if _, twice := m[name]; twice {
			return malformed("The entry %s of a map is given more than once.", clip(name))
		}
		t, err := d.token()
		if err != nil {
			return err
		}
		s, ok := t.(string)
		if !ok {
			return mistyped(t, "String")
		}
		m[name] = s
		return nil
	})
	dst.Set(reflect.ValueOf(m))
	d.broken.size(&f.rule, len(m), at)
	return err
}

func (d *decoder) blob(t json.Token, f *field, dst reflect.Value, at string) error {
	s, ok := t.(string)
	if !ok {
		return mistyped(t, "Blob")
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return malformed("The parameter %s is not base64.", at)
	}
	dst.SetBytes(b)
	d.broken.length(&f.rule, len(b), "a blob of "+strconv.Itoa(len(b))+" bytes", at)
	return nil
}

// scalar decodes a scalar into dst and checks it.
func (d *decoder) scalar(t json.Token, k kind, r *rule, dst reflect.Value, at string) error {
	switch k {
	case kindString:
		s, ok := t.(string)
		if !ok {
			return mistyped(t, "String")
		}
		dst.SetString(s)
		d.broken.text(r, s, at)
	case kindBool:
		b, ok := t.(bool)
		if !ok {
			return mistyped(t, "Boolean")
		}
		dst.SetBool(b)
	case kindInt:
		n, err := strconv.ParseInt(number(t), 10, dst.Type().Bits())
		if err != nil {
			return mistyped(t, "Integer")
		}
		dst.SetInt(n)
		d.broken.number(r, n, at)
	case kindFloat:
		x, err := strconv.ParseFloat(number(t), 64)
		if err != nil {
			return mistyped(t, "Double")
		}
		dst.SetFloat(x)
	case kindTime:
		x, err := strconv.ParseFloat(number(t), 64)
		if err != nil || math.Abs(x) > maxTime {
			return mistyped(t, "Timestamp")
		}
		whole, fraction := math.Modf(x)
		dst.Set(reflect.ValueOf(time.Unix(int64(whole), int64(fraction*1e9)).UTC().Round(time.Millisecond)))
	}
	return nil
}

// maxTime bounds times to the years that have four digits, in seconds.
const maxTime = 200_000_000_000

// number is the text of a number, and of anything else one that is no number.
func number(t json.Token) string {
	n, _ := t.(json.Number)
	return n.String()
}

// skip reads the rest of a value whose first token is read.
func (d *decoder) skip(t json.Token) error {
	next := func() error {
		t, err := d.token()
		if err != nil {
			return err
		}
		return d.skip(t)
	}
	switch t {
	case json.Delim('{'):
		return d.members(func(string) error { return next() })
	case json.Delim('['):
		return d.elements(func(int) error { return next() })
	}
	return nil
}

// mistyped refuses a value of another type, in the words of Amazon's parsers.
func mistyped(t json.Token, want string) error {
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return malformed("Start of structure or map found where not expected.")
		}
		return malformed("Start of list found where not expected.")
	case string:
		return malformed("STRING_VALUE can not be converted to %s", article(want))
	case bool:
		return malformed("%s_VALUE can not be converted to %s", map[bool]string{true: "TRUE", false: "FALSE"}[t], article(want))
	case json.Number:
		return malformed("NUMBER_VALUE can not be converted to %s", article(want))
	}
	return malformed("NULL_VALUE can not be converted to %s", article(want))
}

func article(noun string) string {
	if noun == "Integer" {
		return "an " + noun
	}
	return "a " + noun
}

// camel is a member's name as messages spell it.
func camel(name string) string {
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return name
	}
	return string(name[0]+'a'-'A') + name[1:]
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

package awsjson

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// kind is how a value travels.
type kind int

const (
	kindString kind = iota
	kindBool
	kindInt
	kindFloat
	kindTime
	kindBlob
	kindStruct
	kindList // of strings or structs
	kindMap  // of strings
	kindPresent
)

// plan is what the codec knows about a struct type.
type plan struct {
	fields []field
	byName map[string]int // to index in fields
}

// field is what the codec knows about a struct field.
type field struct {
	index int
	name  string // of the member
	kind  kind
	elem  kind         // of the elements of a list
	base  reflect.Type // scalar or struct type under pointer and slice
	rule  rule         // of the value, or the list
	each  rule         // of each element of a list
}

// rule bounds values.
type rule struct {
	required bool
	min, max *int64
	enum     []string
	pattern  *regexp.Regexp
	source   string // of pattern, as written
}

// plans caches *plan by reflect.Type.
var plans sync.Map

// planOf is the plan of a struct type. It panics on a type that cannot travel,
// which is a mistake of the program and not of a sender.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p, _ := plans.LoadOrStore(t, newPlan(t))
	return p.(*plan)
}

func newPlan(t reflect.Type) *plan {
	p := &plan{byName: make(map[string]int)}
	for i := range t.NumField() {
		sf := t.Field(i)
		name := sf.Tag.Get("json")
		if !sf.IsExported() || name == "" {
			panic(fmt.Sprintf("awsjson: %s.%s has no name on the wire", t, sf.Name))
		}
		if _, twice := p.byName[name]; twice {
			panic(fmt.Sprintf("awsjson: %s has two fields for member %s", t, name))
		}
		f := field{index: i, name: name}
		f.setType(t, sf)
		if err := f.setRules(sf.Tag); err != nil {
			panic(fmt.Sprintf("awsjson: %s.%s: %v", t, sf.Name, err))
		}
		p.byName[name] = len(p.fields)
		p.fields = append(p.fields, f)
	}
	return p
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	presentType = reflect.TypeFor[Present]()
	mapType     = reflect.TypeFor[map[string]string]()
)

func (f *field) setType(t reflect.Type, sf reflect.StructField) {
	ft := sf.Type
	switch {
	case ft == presentType:
		f.kind = kindPresent
	case ft == mapType:
		f.kind = kindMap
	case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Uint8:
		f.kind = kindBlob
	case ft.Kind() == reflect.Slice:
		f.kind, f.base = kindList, ft.Elem()
		switch ft.Elem().Kind() {
		case reflect.String:
			f.elem = kindString
		case reflect.Struct:
			f.elem = kindStruct
		default:
			panic(fmt.Sprintf("awsjson: %s.%s: a list of %s cannot travel", t, sf.Name, ft.Elem()))
		}
	case ft.Kind() == reflect.Pointer:
		f.base = ft.Elem()
		k, ok := scalarKind(f.base)
		if !ok {
			panic(fmt.Sprintf("awsjson: %s.%s: type %s cannot travel", t, sf.Name, ft))
		}
		f.kind = k
	default:
		panic(fmt.Sprintf("awsjson: %s.%s: type %s cannot travel", t, sf.Name, ft))
	}
}

func scalarKind(t reflect.Type) (kind, bool) {
	if t == timeType {
		return kindTime, true
	}
	k, ok := map[reflect.Kind]kind{
		reflect.String: kindString, reflect.Bool: kindBool, reflect.Int32: kindInt, reflect.Int64: kindInt,
		reflect.Float64: kindFloat, reflect.Struct: kindStruct,
	}[t.Kind()]
	return k, ok
}

// setRules reads the tags valid, each and pattern.
func (f *field) setRules(tag reflect.StructTag) error {
	for r := range strings.SplitSeq(tag.Get("valid"), ",") {
		if err := f.rule.set(r); err != nil {
			return err
		}
	}
	for r := range strings.SplitSeq(tag.Get("each"), ",") {
		if err := f.each.set(r); err != nil {
			return err
		}
	}
	if p := tag.Get("pattern"); p != "" {
		re, err := regexp.Compile(`\A(?:` + p + `)\z`)
		if err != nil {
			return err
		}
		on := &f.rule
		if f.kind == kindList {
			on = &f.each
		}
		on.pattern, on.source = re, p
	}
	return nil
}

// set takes one rule of a tag.
func (r *rule) set(s string) error {
	name, arg, _ := strings.Cut(s, "=")
	switch name {
	case "":
		return nil
	case "required":
		r.required = true
		return nil
	case "enum":
		r.enum = strings.Split(arg, "|")
		return nil
	}
	n, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return fmt.Errorf("rule %q: %w", s, err)
	}
	switch name {
	case "min":
		r.min = &n
	case "max":
		r.max = &n
	default:
		return fmt.Errorf("unknown rule %q", s)
	}
	return nil
}

package awsquery

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
	kindScalar kind = iota
	kindBlob
	kindStruct
	kindList
)

// plan is what the codec knows about a struct type.
type plan struct {
	fields  []field
	byQuery map[string]int // parameter name to index in fields
}

// field is what the codec knows about a struct field.
type field struct {
	index     int
	query     string // parameter name, "" if it takes none
	keepEmpty bool
	element   string // XML element, "" if it is never written
	item      string // XML element of list items
	start     string // tags of the element
	end       string
	itemStart string // tags of list items
	itemEnd   string
	omitNil   bool
	kind      kind
	elem      kind         // kind of list elements
	base      reflect.Type // scalar or struct type under pointer and slice
	rule      rule
}

// rule bounds the values of a parameter.
type rule struct {
	required bool
	enum     string // name in Enums
	min, max *int64
	items    int // largest list, 0 for any
	pattern  *regexp.Regexp
}

// plans caches *plan by reflect.Type.
var plans sync.Map

// planOf returns the plan of a struct type. It panics on a type that cannot
// travel, which is a mistake of the program and not of a sender.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p, _ := plans.LoadOrStore(t, newPlan(t))
	return p.(*plan)
}

func newPlan(t reflect.Type) *plan {
	p := &plan{byQuery: make(map[string]int)}
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		f := field{index: i}
		f.parseTags(t, sf)
		f.parseType(t, sf)
		if f.kind == kindList && f.base.Kind() == reflect.String {
			f.keepEmpty = true // nobody names an element for nothing
		}
		if f.query != "" {
			if _, dup := p.byQuery[f.query]; dup {
				panic(fmt.Sprintf("awsquery: %s has two fields for parameter %s", t, f.query))
			}
			p.byQuery[f.query] = len(p.fields)
		}
		p.fields = append(p.fields, f)
	}
	return p
}

func (f *field) parseTags(t reflect.Type, sf reflect.StructField) {
	name, option, _ := strings.Cut(sf.Tag.Get("query"), ",")
	f.query, f.keepEmpty = name, option == "keepempty"
	f.element, f.item, _ = strings.Cut(sf.Tag.Get("xml"), ">")
	f.start, f.end = "<"+f.element+">", "</"+f.element+">"
	f.itemStart, f.itemEnd = "<"+f.item+">", "</"+f.item+">"
	f.omitNil = sf.Tag.Get("nil") == "omit"
	if p := sf.Tag.Get("pattern"); p != "" {
		f.rule.pattern = regexp.MustCompile(`\A(?:` + p + `)\z`)
	}
	for r := range strings.SplitSeq(sf.Tag.Get("valid"), ",") {
		if err := f.rule.set(r); err != nil {
			panic(fmt.Sprintf("awsquery: %s.%s: %v", t, sf.Name, err))
		}
	}
}

// set takes one rule of a valid tag.
func (r *rule) set(s string) error {
	name, arg, _ := strings.Cut(s, "=")
	switch name {
	case "":
		return nil
	case "required":
		r.required = true
		return nil
	case "enum":
		r.enum = arg
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
	case "items":
		r.items = int(n)
	default:
		return fmt.Errorf("unknown rule %q", s)
	}
	return nil
}

var timeType = reflect.TypeFor[time.Time]()

func (f *field) parseType(t reflect.Type, sf reflect.StructField) {
	ft := sf.Type
	switch {
	case ft.Kind() == reflect.Pointer && isScalar(ft.Elem()):
		f.kind, f.base = kindScalar, ft.Elem()
	case ft.Kind() == reflect.Pointer && ft.Elem().Kind() == reflect.Struct:
		f.kind, f.base = kindStruct, ft.Elem()
	case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Uint8:
		f.kind, f.base = kindBlob, ft
	case ft.Kind() == reflect.Slice && isScalar(ft.Elem()):
		f.kind, f.elem, f.base = kindList, kindScalar, ft.Elem()
	case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
		f.kind, f.elem, f.base = kindList, kindStruct, ft.Elem()
	default:
		panic(fmt.Sprintf("awsquery: %s.%s: type %s cannot travel", t, sf.Name, ft))
	}
	if f.kind == kindList && f.element != "" && f.item == "" {
		panic(fmt.Sprintf("awsquery: %s.%s: list without an item element", t, sf.Name))
	}
}

func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float64:
		return true
	}
	return t == timeType
}

package restjson

import (
	"crypto/sha256"
	"reflect"
	"strconv"
)

// place is where a member of an input or output goes.
type place int

const (
	inBody place = iota
	inURI
	inQuery
	inHeader
	inPayload
	inPayloadSum // the SHA-256 of it
)

// field is one member.
type field struct {
	index    int
	name     string // on the wire
	place    place
	required bool
	min, max *int64 // of the number, or of the length
}

// layout is how a struct goes over the wire.
type layout struct {
	typ     reflect.Type
	fields  []field
	payload bool // the body is one member
	body    bool // the body is a JSON object
}

// layoutOf reads the tags of a struct.
func layoutOf(t reflect.Type) *layout {
	l := &layout{typ: t}
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		f := field{index: i, required: sf.Tag.Get("required") == "true", min: bound(sf, "min"), max: bound(sf, "max")}
		for tag, p := range map[string]place{"uri": inURI, "query": inQuery, "header": inHeader} {
			if name := sf.Tag.Get(tag); name != "" {
				f.name, f.place = name, p
			}
		}
		switch {
		case sf.Tag.Get("payload") == "true":
			f.name, f.place, l.payload = sf.Name, inPayload, true
			if sf.Type != reflect.TypeFor[[]byte]() {
				panic("restjson: payload " + t.String() + "." + sf.Name + " is no []byte")
			}
		case sf.Tag.Get("payload") == "sha256":
			f.name, f.place = sf.Name, inPayloadSum
			if sf.Type != reflect.TypeFor[[sha256.Size]byte]() {
				panic("restjson: SHA-256 of a payload " + t.String() + "." + sf.Name + " is no [32]byte")
			}
		case f.place == inBody:
			f.name, l.body = sf.Name, true
			if sf.Tag.Get("json") == "-" {
				continue
			}
		default:
			if k := scalar(sf.Type); k != reflect.String && k != reflect.Int32 && k != reflect.Int64 && sf.Type != reflect.TypeFor[[]string]() {
				panic("restjson: " + t.String() + "." + sf.Name + " cannot be in a path, query or header")
			}
		}
		l.fields = append(l.fields, f)
	}
	for _, f := range l.fields {
		if l.body && f.place != inBody && t.Field(f.index).Tag.Get("json") != "-" {
			panic("restjson: " + t.String() + "." + t.Field(f.index).Name + ` would be in the body too; give it json:"-"`)
		}
	}
	return l
}

// scalar is the kind of what an optional member holds.
func scalar(t reflect.Type) reflect.Kind {
	if t.Kind() != reflect.Pointer {
		return reflect.Invalid
	}
	return t.Elem().Kind()
}

func bound(f reflect.StructField, tag string) *int64 {
	text, ok := f.Tag.Lookup(tag)
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("restjson: " + tag + " of " + f.Name + " is no number")
	}
	return &n
}

package metadb

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// Documents are JSON as encoding/json writes it. They are read by what follows
// and not by encoding/json because a page of a list is a thousand of them:
// reading one takes a quarter of the time. What is said here is what differs:
// names of fields are compared exactly, text must be UTF-8, and numbers of
// integer fields must be written as integers.

// readFunc reads the next value of a document into v, which is addressable.
type readFunc func(r *docReader, v reflect.Value) error

// docReader is a document that is being read.
type docReader struct {
	text string
	at   int
}

// errDocument is the error of a text that is no document.
var errDocument = errors.New("malformed document")

func (r *docReader) malformed() error { return fmt.Errorf("%w at byte %d", errDocument, r.at) }

// readDocument reads a whole text into v.
func readDocument(text string, read readFunc, v reflect.Value) error {
	r := &docReader{text: text}
	if !utf8.ValidString(text) {
		return fmt.Errorf("%w: not UTF-8", errDocument)
	}
	r.space()
	if err := read(r, v); err != nil {
		return err
	}
	r.space()
	if r.at != len(text) {
		return r.malformed()
	}
	return nil
}

// readerOf finds out how values of a type are read. known holds the types that
// are being found out about, which may contain themselves.
func readerOf(t reflect.Type, known map[reflect.Type]*readFunc) readFunc {
	if t == reflect.TypeFor[time.Time]() {
		return readTime
	}
	p := reflect.PointerTo(t)
	if p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return readOther
	}
	switch t.Kind() {
	case reflect.String:
		return readString
	case reflect.Bool:
		return readBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return readInt
	case reflect.Struct:
		if f, ok := known[t]; ok {
			return func(r *docReader, v reflect.Value) error { return (*f)(r, v) }
		}
		f := new(readFunc)
		known[t] = f
		*f = readerOfStruct(t, known)
		return *f
	case reflect.Pointer:
		return readerOfPointer(readerOf(t.Elem(), known))
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Uint8 {
			return readerOfSlice(readerOf(t.Elem(), known))
		}
	}
	return readOther
}

func readerOfStruct(t reflect.Type, known map[reflect.Type]*readFunc) readFunc {
	type field struct {
		index int
		read  readFunc
	}
	fields := map[string]field{}
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Anonymous || sf.Tag.Get("json") != "" {
			return readOther // encoding/json knows the rules
		}
		if sf.IsExported() {
			fields[sf.Name] = field{i, readerOf(sf.Type, known)}
		}
	}
	return func(r *docReader, v reflect.Value) error {
		if r.null() {
			return nil
		}
		return r.list('{', '}', func() error {
			name, err := r.string()
			if err != nil {
				return err
			}
			r.space()
			if !r.take(':') {
				return r.malformed()
			}
			r.space()
			f, ok := fields[name]
			if !ok {
				return r.skip()
			}
			if err := f.read(r, v.Field(f.index)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
}

func readerOfPointer(read readFunc) readFunc {
	return func(r *docReader, v reflect.Value) error {
		if r.null() {
			v.SetZero()
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return read(r, v.Elem())
	}
}

func readerOfSlice(read readFunc) readFunc {
	return func(r *docReader, v reflect.Value) error {
		v.SetZero()
		if r.null() {
			return nil
		}
		n := 0
		err := r.list('[', ']', func() error {
			n++
			v.Grow(1)
			v.SetLen(n)
			return read(r, v.Index(n-1))
		})
		if err == nil && n == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		return err
	}
}

func readString(r *docReader, v reflect.Value) error {
	if r.null() {
		return nil
	}
	s, err := r.string()
	v.SetString(s)
	return err
}

func readBool(r *docReader, v reflect.Value) error {
	switch {
	case r.null():
	case r.word("true"):
		v.SetBool(true)
	case r.word("false"):
		v.SetBool(false)
	default:
		return r.malformed()
	}
	return nil
}

func readInt(r *docReader, v reflect.Value) error {
	if r.null() {
		return nil
	}
	negative := r.take('-')
	first := r.at
	var n int64
	for ; r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9'; r.at++ {
		d := int64(r.text[r.at] - '0')
		if negative {
			d = -d
		}
		if n > math.MaxInt64/10 || n < math.MinInt64/10 || d > 0 && n*10 > math.MaxInt64-d || d < 0 && n*10 < math.MinInt64-d {
			return r.malformed()
		}
		n = n*10 + d
	}
	if r.at == first || r.text[first] == '0' && r.at > first+1 || v.OverflowInt(n) {
		return r.malformed()
	}
	v.SetInt(n)
	return nil
}

func readTime(r *docReader, v reflect.Value) error {
	if r.null() {
		return nil
	}
	s, err := r.string()
	if err != nil {
		return err
	}
	return v.Addr().Interface().(*time.Time).UnmarshalText([]byte(s))
}

// readOther leaves a value to encoding/json.
func readOther(r *docReader, v reflect.Value) error {
	value, err := r.extent()
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(value), v.Addr().Interface())
}

// skip passes over a value.
func (r *docReader) skip() error {
	value, err := r.extent()
	if err == nil && !json.Valid([]byte(value)) {
		err = r.malformed()
	}
	return err
}

// extent passes over a value and returns its text, which need not be valid.
func (r *docReader) extent() (string, error) {
	first, depth := r.at, 0
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case '"':
			if _, err := r.string(); err != nil {
				return "", err
			}
			if depth == 0 {
				return r.text[first:r.at], nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']', ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return r.text[first:r.at], nil
			}
			if c == '}' || c == ']' {
				if depth--; depth == 0 {
					r.at++
					return r.text[first:r.at], nil
				}
			}
		}
		r.at++
	}
	return r.text[first:], nil
}

// list reads a list of elements between two characters, divided by commas.
func (r *docReader) list(open, end byte, element func() error) error {
	if !r.take(open) {
		return r.malformed()
	}
	r.space()
	if r.take(end) {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		r.space()
		if r.take(end) {
			return nil
		}
		if !r.take(',') {
			return r.malformed()
		}
		r.space()
	}
}

// string reads a string: a part of the text if there is nothing to unescape.
func (r *docReader) string() (string, error) {
	if !r.take('"') {
		return "", r.malformed()
	}
	first, escaped := r.at, false
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			s := r.text[first:r.at]
			r.at++
			if !escaped {
				return s, nil
			}
			var plain string
			err := json.Unmarshal([]byte(r.text[first-1:r.at]), &plain)
			return plain, err
		case c == '\\':
			escaped = true
			r.at++
		case c < ' ':
			return "", r.malformed()
		}
	}
	return "", r.malformed()
}

// null takes the word, if it is next.
func (r *docReader) null() bool { return r.word("null") }

// word takes a word, if it is next.
func (r *docReader) word(w string) bool {
	if !strings.HasPrefix(r.text[r.at:], w) {
		return false
	}
	r.at += len(w)
	return true
}

// take takes a character, if it is next.
func (r *docReader) take(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// space passes over white space.
func (r *docReader) space() {
	for r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\n' || r.text[r.at] == '\t' || r.text[r.at] == '\r') {
		r.at++
	}
}

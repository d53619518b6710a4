package restjson

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"unicode/utf8"

	"origami"
)

// maxList bounds the values of one parameter of a query.
const maxList = 1000

// decode reads the input of an operation.
func (op *Operation) decode(r *http.Request, parts map[string]string) (any, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("The query of the request cannot be parsed.")
	}
	if !utf8.ValidString(r.URL.Path) {
		return nil, invalid("The path of the request is not UTF-8.")
	}
	in := reflect.New(op.input.typ)
	if err := op.decodeBody(r, in); err != nil {
		return nil, err
	}
	for _, f := range op.input.fields {
		if f.place == inPayloadSum {
			continue // whose zero value says nothing
		}
		v := in.Elem().Field(f.index)
		var values []string
		switch f.place {
		case inURI:
			values = []string{parts[f.name]}
		case inQuery:
			values = query[f.name]
			delete(query, f.name)
		case inHeader:
			values = r.Header.Values(f.name)
		}
		if err := f.set(v, values); err != nil {
			return nil, err
		}
		if err := f.check(v); err != nil {
			return nil, err
		}
	}
	for name := range query {
		return nil, invalid("The parameter %.128q is not known.", name)
	}
	return in.Interface(), nil
}

// decodeBody reads the members that are in the body.
func (op *Operation) decodeBody(r *http.Request, in reflect.Value) error {
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	if op.input.payload {
		for _, f := range op.input.fields {
			switch v := in.Elem().Field(f.index); f.place {
			case inPayload:
				v.SetBytes(body)
			case inPayloadSum:
				v.Set(reflect.ValueOf(sumOf(r, body)))
			}
		}
		return nil
	}
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return nil
	}
	if !op.input.body {
		if string(body) == "{}" {
			return nil
		}
		return invalid("The operation %s takes no body.", op.Name)
	}
	if !utf8.Valid(body) || body[0] != '{' {
		return origami.Errorf(codeSerialization, "The body of the request is no JSON object.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in.Interface()); err != nil {
		return badBody(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return origami.Errorf(codeSerialization, "The body of the request goes on behind its JSON object.")
	}
	return nil
}

// bodyOf returns the body, which the front door has bounded and read: then it
// is not copied.
func bodyOf(r *http.Request) ([]byte, error) {
	if m, ok := r.Body.(interface{ Bytes() []byte }); ok {
		return m.Bytes(), nil
	}
	return io.ReadAll(r.Body)
}

// sumOf returns the SHA-256 of the body, which the front door may have computed.
func sumOf(r *http.Request, body []byte) [sha256.Size]byte {
	if m, ok := r.Body.(interface{ SHA256() [sha256.Size]byte }); ok {
		return m.SHA256()
	}
	return sha256.Sum256(body)
}

// badBody says what is wrong with a body, in words of the request.
func badBody(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return origami.Errorf(codeSerialization, "The member %.128q cannot be a %.64s.", kind.Field, kind.Value)
	}
	return origami.Errorf(codeSerialization, "The body of the request cannot be read: %.256s", err.Error())
}

// set gives a member in a path, query or header its value.
func (f *field) set(v reflect.Value, values []string) error {
	if f.place == inBody || f.place == inPayload || len(values) == 0 {
		return nil
	}
	if v.Kind() == reflect.Slice {
		if len(values) > maxList {
			return invalid("The parameter %s has %d values, %d are allowed.", f.name, len(values), maxList)
		}
		v.Set(reflect.ValueOf(values))
		return nil
	}
	if len(values) > 1 {
		return invalid("The parameter %s is there %d times.", f.name, len(values))
	}
	p := reflect.New(v.Type().Elem())
	if p.Elem().Kind() == reflect.String {
		if !utf8.ValidString(values[0]) {
			return invalid("The parameter %s is not UTF-8.", f.name)
		}
		p.Elem().SetString(values[0])
	} else {
		n, err := strconv.ParseInt(values[0], 10, p.Elem().Type().Bits())
		if err != nil {
			return invalid("Value (%.64s) for parameter %s is invalid. It must be a whole number.", values[0], f.name)
		}
		p.Elem().SetInt(n)
	}
	v.Set(p)
	return nil
}

// check compares a member with its bounds.
func (f *field) check(v reflect.Value) error {
	if f.place != inPayload && v.IsZero() || v.Kind() == reflect.Slice && v.IsNil() {
		if f.required {
			return invalid("The request must contain the parameter %s.", f.name)
		}
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	var n int64
	what := "length of "
	switch v.Kind() {
	case reflect.Int32, reflect.Int64:
		n, what = v.Int(), ""
	case reflect.String:
		n = int64(utf8.RuneCountInString(v.String()))
	case reflect.Slice:
		n = int64(v.Len())
	default:
		return nil
	}
	switch {
	case f.min != nil && n < *f.min:
		return invalid("Value (%d) for %sparameter %s is invalid. It must be at least %d.", n, what, f.name, *f.min)
	case f.max != nil && n > *f.max:
		return invalid("Value (%d) for %sparameter %s is invalid. It must be at most %d.", n, what, f.name, *f.max)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return origami.Errorf(origami.CodeValidationException, format, args...).Because(origami.ReasonInvalidParameterValue)
}

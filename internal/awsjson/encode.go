package awsjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"
)

// Encode writes an answer: the struct that out points to. An error is of w.
func Encode(w http.ResponseWriter, out any) error {
	body, err := Marshal(out)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", ContentType)
	_, err = w.Write(body)
	return err
}

// EncodeError writes an error. An error is of w.
func EncodeError(w http.ResponseWriter, status int, code, message string) error {
	var b bytes.Buffer
	b.WriteString(`{"__type":`)
	text(&b, code)
	b.WriteString(`,"message":`)
	text(&b, message)
	b.WriteByte('}')
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// Marshal is the body of a request or answer: the struct that v points to. It
// panics if v is none, or if one of its fields cannot travel; the error is a
// float that JSON has no form for.
func Marshal(v any) ([]byte, error) {
	x := reflect.ValueOf(v)
	if x.Kind() != reflect.Pointer || x.IsNil() || x.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("awsjson: encode %T", v))
	}
	var b bytes.Buffer
	if err := structure(&b, x.Elem()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func structure(b *bytes.Buffer, v reflect.Value) error {
	p := planOf(v.Type())
	b.WriteByte('{')
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		x := v.Field(f.index)
		if f.kind == kindPresent || x.IsNil() {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		text(b, f.name)
		b.WriteByte(':')
		if err := member(b, f, x); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func member(b *bytes.Buffer, f *field, x reflect.Value) error {
	switch f.kind {
	case kindBlob:
		b.WriteByte('"')
		b.WriteString(base64.StdEncoding.EncodeToString(x.Bytes()))
		b.WriteByte('"')
		return nil
	case kindMap:
		body, err := json.Marshal(x.Interface()) // with its keys sorted
		b.Write(body)
		return err
	case kindList:
		b.WriteByte('[')
		for i := range x.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := scalar(b, f.elem, x.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	}
	return scalar(b, f.kind, x.Elem())
}

func scalar(b *bytes.Buffer, k kind, x reflect.Value) error {
	switch k {
	case kindStruct:
		return structure(b, x)
	case kindString:
		text(b, x.String())
	case kindBool:
		b.WriteString(strconv.FormatBool(x.Bool()))
	case kindInt:
		b.WriteString(strconv.FormatInt(x.Int(), 10))
	case kindTime:
		seconds(b, x.Interface().(time.Time))
	case kindFloat:
		body, err := json.Marshal(x.Float())
		b.Write(body)
		return err
	}
	return nil
}

// seconds writes a time as seconds since 1970, with milliseconds if it has any.
func seconds(b *bytes.Buffer, t time.Time) {
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		b.WriteString(strconv.FormatInt(ms/1000, 10))
		return
	}
	sign := ""
	if ms < 0 {
		sign, ms = "-", -ms
	}
	fmt.Fprintf(b, "%s%d.%03d", sign, ms/1000, ms%1000)
}

// text writes a string.
func text(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always has a form, and the buffer takes it
	b.Truncate(b.Len() - 1)
}

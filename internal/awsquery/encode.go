package awsquery

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"time"
)

// ContentType is the media type of answers.
const ContentType = "text/xml;charset=UTF-8"

const header = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// Response is the answer to a request that succeeded.
type Response struct {
	Operation string // root element is this and "Response"
	Namespace string // of the root element
	RequestID string
	Body      any // pointer to a struct; an empty one or nil for an operation without output
}

// Encode writes a response. Lists without elements are written as empty
// elements, absent scalars and structures are left out, times are UTC with
// milliseconds. What XML cannot hold is replaced by U+FFFD. The only errors
// are those of w.
func (d Dialect) Encode(w io.Writer, r Response) error {
	e := encoder{}
	e.WriteString(header)
	e.root(r.Operation+"Response", r.Namespace)
	if d == EC2 {
		e.text("requestId", r.RequestID)
		if !e.body(r.Body) {
			e.text("return", "true")
		}
	} else {
		if !isEmpty(r.Body) {
			e.open(r.Operation + "Result")
			e.body(r.Body)
			e.close(r.Operation + "Result")
		}
		e.open("ResponseMetadata")
		e.text("RequestId", r.RequestID)
		e.close("ResponseMetadata")
	}
	e.close(r.Operation + "Response")
	_, err := w.Write(e.Bytes())
	return err
}

// ErrorResponse is the answer to a request that failed.
type ErrorResponse struct {
	Code      string
	Message   string
	RequestID string
	Namespace string // of the root element in the query dialect
	Receiver  bool   // the fault is the service's and not the sender's
}

// EncodeError writes an error document. The only errors are those of w.
func (d Dialect) EncodeError(w io.Writer, r ErrorResponse) error {
	e := encoder{}
	e.WriteString(header)
	if d == EC2 {
		e.open("Response")
		e.open("Errors")
		e.open("Error")
		e.text("Code", r.Code)
		e.text("Message", r.Message)
		e.close("Error")
		e.close("Errors")
		e.text("RequestID", r.RequestID)
		e.close("Response")
	} else {
		e.root("ErrorResponse", r.Namespace)
		e.open("Error")
		if r.Receiver {
			e.text("Type", "Receiver")
		} else {
			e.text("Type", "Sender")
		}
		e.text("Code", r.Code)
		e.text("Message", r.Message)
		e.close("Error")
		e.text("RequestId", r.RequestID)
		e.close("ErrorResponse")
	}
	_, err := w.Write(e.Bytes())
	return err
}

// encoder collects a document. Writes to a buffer cannot fail, which keeps
// half a document from ever being sent.
type encoder struct{ bytes.Buffer }

// root opens the root element in a namespace.
func (e *encoder) root(name, namespace string) {
	e.WriteByte('<')
	e.WriteString(name)
	e.WriteString(` xmlns="`)
	e.escape(namespace)
	e.WriteString(`">`)
}

func (e *encoder) open(name string) {
	e.WriteByte('<')
	e.WriteString(name)
	e.WriteByte('>')
}

func (e *encoder) close(name string) {
	e.WriteString("</")
	e.WriteString(name)
	e.WriteByte('>')
}

func (e *encoder) text(name, s string) {
	e.open(name)
	e.escape(s)
	e.close(name)
}

func (e *encoder) empty(name string) {
	e.WriteByte('<')
	e.WriteString(name)
	e.WriteString("/>")
}

// escape writes character data; EscapeText replaces what XML cannot hold, and
// fails only if its writer does.
func (e *encoder) escape(s string) { _ = xml.EscapeText(&e.Buffer, []byte(s)) }

func isEmpty(body any) bool {
	v := reflect.ValueOf(body)
	return body == nil || v.IsNil() || v.Elem().NumField() == 0
}

// body writes the members of the struct that body points to, and reports
// whether its type has any.
func (e *encoder) body(body any) bool {
	if isEmpty(body) {
		return false
	}
	e.structure(reflect.ValueOf(body).Elem())
	return true
}

func (e *encoder) structure(v reflect.Value) {
	p := planOf(v.Type())
	for i := range p.fields {
		if f := &p.fields[i]; f.element != "" {
			e.member(f, v.Field(f.index))
		}
	}
}

func (e *encoder) member(f *field, v reflect.Value) {
	switch {
	case f.kind == kindList:
		e.list(f, v)
	case v.IsNil():
	case f.kind == kindBlob:
		e.text(f.element, base64.StdEncoding.EncodeToString(v.Bytes()))
	case f.kind == kindStruct:
		e.open(f.element)
		e.structure(v.Elem())
		e.close(f.element)
	default:
		e.text(f.element, format(v.Elem()))
	}
}

func (e *encoder) list(f *field, v reflect.Value) {
	if v.Len() == 0 {
		if !f.omitNil || !v.IsNil() {
			e.empty(f.element)
		}
		return
	}
	e.open(f.element)
	for i := range v.Len() {
		if f.elem == kindScalar {
			e.text(f.item, format(v.Index(i)))
			continue
		}
		e.open(f.item)
		e.structure(v.Index(i))
		e.close(f.item)
	}
	e.close(f.element)
}

// format gives a scalar its wire form.
func format(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	t, ok := v.Interface().(time.Time)
	if !ok {
		panic(fmt.Sprintf("awsquery: no wire form for %s", v.Type()))
	}
	return t.UTC().Format(timeFormat)
}

package awsquery

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
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
	e := newEncoder()
	defer e.free()
	e.add(header)
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
	return e.send(w)
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
	e := newEncoder()
	defer e.free()
	e.add(header)
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
	return e.send(w)
}

// root opens the root element in a namespace.
func (e *encoder) root(name, namespace string) {
	e.add("<" + name + ` xmlns="`)
	e.escape(namespace)
	e.add(`">`)
}

func (e *encoder) open(name string)  { e.add("<" + name + ">") }
func (e *encoder) close(name string) { e.add("</" + name + ">") }

func (e *encoder) text(name, s string) {
	e.open(name)
	e.escape(s)
	e.close(name)
}

// escape writes character data. What is not plain is left to EscapeText, which
// replaces what XML cannot hold, and fails only if its writer does.
func (e *encoder) escape(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '&' || c == '<' || c == '>' || c == '"' || c == '\'' {
			e.add(s[:i])
			_ = xml.EscapeText(e, []byte(s[i:]))
			return
		}
	}
	e.add(s)
}

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
	v := reflect.ValueOf(body).Elem()
	e.structure(planOf(v.Type()), v)
	return true
}

func (e *encoder) structure(p *plan, v reflect.Value) {
	for i := range p.fields {
		if f := &p.fields[i]; f.element != "" {
			e.member(f, v.Field(f.index))
		}
	}
}

func (e *encoder) member(f *field, v reflect.Value) {
	if f.kind == kindList {
		e.list(f, v)
		return
	}
	if v.IsNil() {
		return
	}
	e.add(f.start)
	switch f.kind {
	case kindBlob:
		e.reserve(base64.StdEncoding.EncodedLen(v.Len()))
		e.doc = base64.StdEncoding.AppendEncode(e.doc, v.Bytes())
	case kindStruct:
		e.structure(planOf(f.base), v.Elem())
	default:
		e.scalar(v.Elem())
	}
	e.add(f.end)
}

func (e *encoder) list(f *field, v reflect.Value) {
	if v.Len() == 0 {
		if !f.omitNil || !v.IsNil() {
			e.add("<" + f.element + "/>")
		}
		return
	}
	var p *plan
	if f.elem == kindStruct {
		p = planOf(f.base)
	}
	e.add(f.start)
	for i := range v.Len() {
		e.add(f.itemStart)
		if p == nil {
			e.scalar(v.Index(i))
		} else {
			e.structure(p, v.Index(i))
		}
		e.add(f.itemEnd)
	}
	e.add(f.end)
}

// scalar writes a scalar in its wire form.
func (e *encoder) scalar(v reflect.Value) {
	e.reserve(maxNumber)
	switch v.Kind() {
	case reflect.String:
		e.escape(v.String())
	case reflect.Bool:
		e.doc = strconv.AppendBool(e.doc, v.Bool())
	case reflect.Int32, reflect.Int64:
		e.doc = strconv.AppendInt(e.doc, v.Int(), 10)
	case reflect.Float64:
		e.doc = strconv.AppendFloat(e.doc, v.Float(), 'g', -1, 64)
	default:
		t, ok := v.Interface().(time.Time)
		if !ok {
			panic(fmt.Sprintf("awsquery: no wire form for %s", v.Type()))
		}
		e.doc = t.UTC().AppendFormat(e.doc, timeFormat)
	}
}

package metadb

import (
	"encoding/json"
	"reflect"
)

// document turns nouns of one kind into JSON and back. Zero fields are left
// out: most fields of most nouns are zero, and a list of a thousand images is
// mostly time to decode them.
type document[T any] struct {
	// twin is T with a tag on each field. Values of T and twin convert into
	// each other, since tags do not count in that.
	twin reflect.Type
	read readFunc // of T
}

func documentOf[T any]() document[T] {
	t := reflect.TypeFor[T]()
	fields := make([]reflect.StructField, t.NumField())
	for i := range fields {
		fields[i] = t.Field(i)
		fields[i].Tag = `json:",omitzero"`
	}
	return document[T]{reflect.StructOf(fields), readerOf(t, map[reflect.Type]*readFunc{})}
}

func (d document[T]) encode(v *T) ([]byte, error) {
	return json.Marshal(reflect.ValueOf(v).Convert(reflect.PointerTo(d.twin)).Interface())
}

// decode reads a document that encode wrote. The noun's strings are parts of
// text.
func (d document[T]) decode(text string) (*T, error) {
	v := new(T)
	return v, readDocument(text, d.read, reflect.ValueOf(v).Elem())
}

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
}

func documentOf[T any]() document[T] {
	t := reflect.TypeFor[T]()
	fields := make([]reflect.StructField, t.NumField())
	for i := range fields {
		fields[i] = t.Field(i)
		fields[i].Tag = `json:",omitzero"`
	}
	return document[T]{reflect.StructOf(fields)}
}

// as is v seen as a pointer to its twin.
func (d document[T]) as(v *T) any {
	return reflect.ValueOf(v).Convert(reflect.PointerTo(d.twin)).Interface()
}

func (d document[T]) encode(v *T) ([]byte, error) { return json.Marshal(d.as(v)) }

func (d document[T]) decode(text []byte) (*T, error) {
	v := new(T)
	return v, json.Unmarshal(text, d.as(v))
}

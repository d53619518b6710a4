// Package optional reads and makes the members of a request or an answer that
// may be absent. The structs of the codecs have a pointer for such a member,
// which is nil where nothing was said.
package optional

// Value is what p points to, or the zero value where nothing was said.
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// Text is a member that says s, a string of any kind; an empty one is left out.
func Text[S ~string](s S) *string {
	if s == "" {
		return nil
	}
	return new(string(s))
}

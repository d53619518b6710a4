package restjson

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"origami"
)

// Operation is one operation of a service.
type Operation struct {
	Name   string
	method string
	path   []string // segments; "{name}" is any one, "{name+}" all that are left
	status int
	input  *layout
	output *layout
	call   func(ctx context.Context, who origami.Caller, in any) (any, error)
}

// Define makes an operation of a method, a path such as
// "/snapshots/{snapshotId}/blocks", and the status of its success. It panics if
// the types are not what the tags of the package allow.
func Define[In, Out any](name, method, path string, status int, call func(context.Context, origami.Caller, *In) (*Out, error)) Operation {
	op := Operation{
		Name: name, method: method, path: segments(path), status: status,
		input: layoutOf(reflect.TypeFor[In]()), output: layoutOf(reflect.TypeFor[Out]()),
		call: func(ctx context.Context, who origami.Caller, in any) (any, error) {
			out, err := call(ctx, who, in.(*In))
			if err == nil && out == nil {
				err = fmt.Errorf("%s returned neither output nor error", name)
			}
			return out, err
		},
	}
	for _, f := range op.input.fields {
		if f.place == inURI && !strings.Contains(path, "{"+f.name) {
			panic("restjson: " + name + " has no " + f.name + " in its path")
		}
	}
	return op
}

func segments(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

// match returns the variable parts of a path, unescaped, if the path is the
// operation's.
func (op *Operation) match(method string, path []string) (map[string]string, bool) {
	if method != op.method || len(path) < len(op.path) {
		return nil, false
	}
	parts := make(map[string]string)
	for i, want := range op.path {
		name, variable := strings.CutPrefix(want, "{")
		name, rest := strings.CutSuffix(strings.TrimSuffix(name, "}"), "+")
		switch {
		case !variable && path[i] != want:
			return nil, false
		case variable && rest:
			parts[name] = strings.Join(path[i:], "/")
			return parts, parts[name] != ""
		case variable:
			parts[name] = path[i]
			if path[i] == "" {
				return nil, false
			}
		}
	}
	return parts, len(path) == len(op.path)
}

// find finds the operation of a request.
func (h *Handler) find(r *http.Request) (*Operation, map[string]string, error) {
	path := segments(r.URL.EscapedPath())
	for i, s := range path {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return nil, nil, unknown(r)
		}
		path[i] = plain
	}
	for i := range h.operations {
		op := &h.operations[i]
		if parts, ok := op.match(r.Method, path); ok {
			return op, parts, nil
		}
	}
	return nil, nil, unknown(r)
}

func unknown(r *http.Request) error {
	return origami.Errorf(codeUnknownOperation, "There is no operation %.16s %.128s.", r.Method, r.URL.EscapedPath())
}

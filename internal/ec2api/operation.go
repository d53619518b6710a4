package ec2api

import (
	"context"
	"slices"

	"origami"
)

// Version is the API version, and part of the namespace of every answer.
const Version = "2016-11-15"

// Namespace is the XML namespace of answers.
const Namespace = "http://ec2.amazonaws.com/doc/" + Version + "/"

// Operation is one served operation.
type Operation struct {
	Name string

	// NewInput makes an empty input: a pointer to a struct.
	NewInput func() any

	// Call calls the operation's method of a server. The input is one that
	// NewInput made. The output is a pointer to a struct, never nil without
	// an error unless the server returned nil.
	Call func(ctx context.Context, s Server, who origami.Caller, in any) (any, error)

	HasDryRun bool // the input has a DryRun member

	// MinResults and MaxResults bound the parameter MaxResults. Both are 0
	// for an operation that does not page its answer.
	MinResults, MaxResults int32

	// MaxToken is the length of the longest ClientToken, 0 for an operation
	// that takes none.
	MaxToken int
}

// Paged reports whether the operation takes MaxResults and NextToken.
func (op *Operation) Paged() bool { return op.MaxResults > 0 }

// define fills in what the type of a method says.
func define[In, Out any](method func(Server, context.Context, origami.Caller, *In) (*Out, error), op Operation) *Operation {
	op.NewInput = func() any { return new(In) }
	op.Call = func(ctx context.Context, s Server, who origami.Caller, in any) (any, error) {
		out, err := method(s, ctx, who, in.(*In))
		if out == nil || err != nil {
			return nil, err
		}
		return out, nil
	}
	return &op
}

// Known reports whether EC2 has an operation of this name, served here or
// not.
func Known(name string) bool {
	_, ok := slices.BinarySearch(names[:], name)
	return ok
}

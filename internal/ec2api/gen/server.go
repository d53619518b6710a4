package main

import (
	"bytes"
	"fmt"
)

// defaultMaxToken is the longest ClientToken where the model does not say.
const defaultMaxToken = "64"

// server writes the Server interface and the table of operations.
func (g *generator) server(b *bytes.Buffer) error {
	b.WriteString("import (\n\t\"context\"\n\n\t\"origami\"\n)\n\n")
	b.WriteString(`// Server has one method for each served operation. An error that is an
// *origami.Error is for the caller to see; any other is an internal one.
type Server interface {
`)
	for _, name := range g.served {
		fmt.Fprintf(b, "%s(ctx context.Context, who origami.Caller, in *%sInput) (*%sOutput, error)\n", name, name, name)
	}
	b.WriteString("}\n\n// Operations are the served operations by name. It is not to be changed.\nvar Operations = map[string]*Operation{\n")
	for _, name := range g.served {
		flags, err := g.flags(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(b, "%q: define(Server.%s, Operation{Name: %q%s}),\n", name, name, name, flags)
	}
	b.WriteString("}\n")
	return nil
}

// flags are the fields of an Operation beside its name.
func (g *generator) flags(name string) (string, error) {
	op := g.Operations[name]
	if op.Input == nil {
		return "", nil
	}
	flags := ""
	input := g.Shapes[op.Input.Shape]
	if _, ok := input.Members["DryRun"]; ok {
		flags += ", HasDryRun: true"
	}
	if r, ok := input.Members["MaxResults"]; ok {
		low, high, err := g.pageBounds(name, g.Shapes[r.Shape])
		if err != nil {
			return "", err
		}
		flags += fmt.Sprintf(", MinResults: %s, MaxResults: %s", low, high)
	}
	if r, ok := input.Members["ClientToken"]; ok {
		longest := defaultMaxToken
		if m := g.Shapes[r.Shape].Max; m != nil {
			longest = m.String()
		}
		flags += ", MaxToken: " + longest
	}
	return flags, nil
}

// pageBounds are the bounds of MaxResults, from the model or the exceptions.
func (g *generator) pageBounds(operation string, s *shape) (low, high string, err error) {
	if s.Min != nil && s.Max != nil {
		return s.Min.String(), s.Max.String(), nil
	}
	if !in(g.exceptions, g.pages, operation) {
		return "", "", fmt.Errorf("the model does not bound MaxResults and exceptions.go does not either")
	}
	p := g.pages[operation]
	return fmt.Sprint(p[0]), fmt.Sprint(p[1]), nil
}

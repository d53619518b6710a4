package main

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// scalars are the Go types of scalar shapes.
var scalars = map[string]string{
	"string": "string", "boolean": "bool", "integer": "int32", "long": "int64",
	"float": "float64", "double": "float64", "timestamp": "time.Time",
}

// types writes inputs, outputs, the structures below them, and the enums of
// requests.
func (g *generator) types(b *bytes.Buffer) error {
	b.WriteString("import (\n\t\"time\"\n\n\t\"origami/internal/awsquery\"\n)\n\n")
	taken := make(map[string]bool)
	for _, name := range g.served {
		op := g.Operations[name]
		if err := g.message(b, name+"Input", "request", name, op.Input, true); err != nil {
			return err
		}
		if err := g.message(b, name+"Output", "answer", name, op.Output, false); err != nil {
			return err
		}
		taken[name+"Input"], taken[name+"Output"] = true, true
	}
	for _, name := range g.below() {
		if taken[name] {
			return fmt.Errorf("structure %s has the name of an input or output", name)
		}
		fmt.Fprintf(b, "// %s is the structure of that name.\n", name)
		if err := g.structure(b, name, name, g.requests[name], g.responses[name]); err != nil {
			return err
		}
	}
	return g.enums(b)
}

// message writes the input or output of an operation.
func (g *generator) message(b *bytes.Buffer, typ, what, operation string, r *ref, request bool) error {
	if r == nil {
		fmt.Fprintf(b, "// %s is the %s of %s, which has no members.\ntype %s struct{}\n\n", typ, what, operation, typ)
		return nil
	}
	fmt.Fprintf(b, "// %s is the %s of %s: shape %s.\n", typ, what, operation, r.Shape)
	return g.structure(b, typ, r.Shape, request, !request)
}

// below lists the structures that are used inside another one.
func (g *generator) below() []string {
	used := make(map[string]bool)
	for _, set := range []map[string]bool{g.requests, g.responses} {
		for name := range set {
			for _, r := range g.Shapes[name].Members {
				used[r.Shape] = true
			}
			if m := g.Shapes[name].Member; m != nil {
				used[m.Shape] = true
			}
		}
	}
	maps.DeleteFunc(used, func(name string, _ bool) bool { return g.Shapes[name].Type != "structure" })
	return slices.Sorted(maps.Keys(used))
}

func (g *generator) structure(b *bytes.Buffer, typ, name string, request, response bool) error {
	fmt.Fprintf(b, "type %s struct {\n", typ)
	s := g.Shapes[name]
	for _, member := range slices.Sorted(maps.Keys(s.Members)) {
		goType, err := g.goType(s.Members[member].Shape)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, member, err)
		}
		var tags []string
		if request {
			t, err := g.requestTags(name, member)
			if err != nil {
				return fmt.Errorf("%s.%s: %w", name, member, err)
			}
			tags = append(tags, t...)
		}
		if response {
			tags = append(tags, g.responseTag(name, member))
		}
		fmt.Fprintf(b, "%s %s `%s`\n", upperFirst(member), goType, strings.Join(tags, " "))
	}
	b.WriteString("}\n\n")
	return nil
}

// goType is the Go type of a member.
func (g *generator) goType(name string) (string, error) {
	s := g.Shapes[name]
	switch s.Type {
	case "structure":
		return "*" + name, nil
	case "blob":
		return "[]byte", nil
	case "list":
		e := g.Shapes[s.Member.Shape]
		if e.Type == "structure" {
			return "[]" + s.Member.Shape, nil
		}
		if t, ok := scalars[e.Type]; ok {
			return "[]" + t, nil
		}
		return "", fmt.Errorf("list %s of %s is not supported", name, e.Type)
	}
	if t, ok := scalars[s.Type]; ok {
		return "*" + t, nil
	}
	return "", fmt.Errorf("shape %s of type %s is not supported", name, s.Type)
}

// requestTags are the tags that say how a member travels in a request.
func (g *generator) requestTags(structure, member string) ([]string, error) {
	r := g.Shapes[structure].Members[member]
	name := r.QueryName
	if name == "" {
		name = upperFirst(r.LocationName)
	}
	if name == "" {
		name = upperFirst(member)
	}
	if in(g.exceptions, g.keepEmpty, structure+"."+member) {
		name += ",keepempty"
	}
	tags := []string{fmt.Sprintf("query:%q", name)}
	if rules := g.rules(structure, member); len(rules) > 0 {
		tags = append(tags, fmt.Sprintf("valid:%q", strings.Join(rules, ",")))
	}
	if p := g.scalarOf(r.Shape).Pattern; p != "" && !in(g.exceptions, g.unchecked, r.Shape) {
		if _, err := regexp.Compile(p); err != nil {
			return nil, fmt.Errorf("pattern: %w", err)
		}
		if strings.Contains(p, "`") {
			return nil, fmt.Errorf("pattern %q does not fit a struct tag", p)
		}
		tags = append(tags, "pattern:"+strconv.Quote(p))
	}
	return tags, nil
}

// rules are the parts of a valid tag. The bounds of MaxResults are left to
// the table of operations.
func (g *generator) rules(structure, member string) []string {
	var rules []string
	s := g.Shapes[structure]
	if slices.Contains(s.Required, member) {
		rules = append(rules, "required")
	}
	name := s.Members[member].Shape
	if list := g.Shapes[name]; list.Type == "list" {
		if list.Max != nil {
			rules = append(rules, "items="+list.Max.String())
		}
		name = list.Member.Shape
	}
	scalar := g.Shapes[name]
	if member == "MaxResults" || in(g.exceptions, g.unchecked, name) {
		return rules
	}
	if len(scalar.Enum) > 0 {
		rules = append(rules, "enum="+name)
	}
	if scalar.Min != nil && scalar.Min.String() != "0" {
		rules = append(rules, "min="+scalar.Min.String())
	}
	if scalar.Max != nil {
		rules = append(rules, "max="+scalar.Max.String())
	}
	return rules
}

// scalarOf is the shape, or that of the elements if it is a list.
func (g *generator) scalarOf(name string) *shape {
	if s := g.Shapes[name]; s.Member != nil {
		return g.Shapes[s.Member.Shape]
	}
	return g.Shapes[name]
}

// responseTag is the tag that says how a member travels in an answer.
func (g *generator) responseTag(structure, member string) string {
	r := g.Shapes[structure].Members[member]
	name := r.LocationName
	if name == "" {
		name = member
	}
	if list := g.Shapes[r.Shape]; list.Type == "list" {
		item := list.Member.LocationName
		if item == "" {
			item = "member"
		}
		if in(g.exceptions, g.omitNil, structure+"."+member) {
			return fmt.Sprintf("xml:%q nil:\"omit\"", name+">"+item)
		}
		name += ">" + item
	}
	return fmt.Sprintf("xml:%q", name)
}

// enums writes the closed sets of values that requests use.
func (g *generator) enums(b *bytes.Buffer) error {
	b.WriteString("// Enums are the closed sets of values that parameters take, by shape.\nvar Enums = awsquery.Enums{\n")
	for _, name := range slices.Sorted(maps.Keys(g.requests)) {
		values := g.Shapes[name].Enum
		if len(values) == 0 || in(g.exceptions, g.unchecked, name) {
			continue
		}
		fmt.Fprintf(b, "%q: {", name)
		for _, v := range values {
			fmt.Fprintf(b, "%q, ", v)
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return nil
}

func upperFirst(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

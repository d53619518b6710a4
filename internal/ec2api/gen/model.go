package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// model is the part of an AWS API model that generation reads.
type model struct {
	Metadata   metadata             `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]*shape    `json:"shapes"`
}

type metadata struct {
	APIVersion   string `json:"apiVersion"`
	Protocol     string `json:"protocol"`
	XMLNamespace string `json:"xmlNamespace"`
}

type operation struct {
	Input  *ref `json:"input,omitempty"`
	Output *ref `json:"output,omitempty"`
}

// ref is the use of a shape as a member, list element, input or output.
type ref struct {
	Shape            string `json:"shape"`
	LocationName     string `json:"locationName,omitempty"`
	QueryName        string `json:"queryName,omitempty"`
	IdempotencyToken bool   `json:"idempotencyToken,omitempty"`
}

type shape struct {
	Type     string         `json:"type"`
	Required []string       `json:"required,omitempty"`
	Members  map[string]ref `json:"members,omitempty"`
	Member   *ref           `json:"member,omitempty"`
	Enum     []string       `json:"enum,omitempty"`
	Min      *json.Number   `json:"min,omitempty"`
	Max      *json.Number   `json:"max,omitempty"`
	Pattern  string         `json:"pattern,omitempty"`
}

func parseModel(data []byte) (*model, error) {
	m := new(model)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("parse model: %w", err)
	}
	if m.Metadata.Protocol != "ec2" {
		return nil, fmt.Errorf("protocol %q is not ec2", m.Metadata.Protocol)
	}
	for name, op := range m.Operations {
		for _, r := range []*ref{op.Input, op.Output} {
			if r != nil && m.Shapes[r.Shape] == nil {
				return nil, fmt.Errorf("operation %s: no shape %s", name, r.Shape)
			}
		}
	}
	for name, s := range m.Shapes {
		if err := m.check(s); err != nil {
			return nil, fmt.Errorf("shape %s: %w", name, err)
		}
	}
	return m, nil
}

// check finds references to shapes that do not exist.
func (m *model) check(s *shape) error {
	for name, r := range s.Members {
		if m.Shapes[r.Shape] == nil {
			return fmt.Errorf("member %s: no shape %s", name, r.Shape)
		}
	}
	if s.Type == "list" && (s.Member == nil || m.Shapes[s.Member.Shape] == nil) {
		return fmt.Errorf("no shape for its elements")
	}
	return nil
}

// compact writes the model with one operation or shape a line.
func (m *model) compact() ([]byte, error) {
	var b bytes.Buffer
	meta, err := json.Marshal(m.Metadata)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "{\n\"metadata\":%s,\n", meta)
	if err := section(&b, "operations", m.Operations); err != nil {
		return nil, err
	}
	b.WriteString(",\n")
	if err := section(&b, "shapes", m.Shapes); err != nil {
		return nil, err
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

func section[V any](b *bytes.Buffer, name string, entries map[string]V) error {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		line, err := json.Marshal(entries[k])
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
		lines = append(lines, fmt.Sprintf("%q:%s", k, line))
	}
	fmt.Fprintf(b, "%q:{\n%s\n}", name, strings.Join(lines, ",\n"))
	return nil
}

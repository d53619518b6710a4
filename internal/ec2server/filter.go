package ec2server

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"origami"
	"origami/internal/ec2api"
)

// Bounds of the filters of one request.
const (
	maxFilterValues = 200  // of all filters together
	maxFilterValue  = 1024 // characters of one value
)

// properties are what a list can be filtered by: for each filter name the
// values that a noun has. A noun that lacks the property has none. Beside
// them stand the filters of every tagged noun: tag:KEY, tag-key and tag-value.
type properties[T any] map[string]func(T) []string

// parse checks the filters of a request.
func (p properties[T]) parse(in []ec2api.Filter) ([]origami.Filter, error) {
	var out []origami.Filter
	total := 0
	for _, f := range in {
		name := deref(f.Name)
		if name == "" {
			return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter Filter.Name")
		}
		if !p.known(name) {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The filter '%.128s' is invalid", name)
		}
		if len(f.Values) == 0 {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The filter '%.128s' has no values", name)
		}
		for _, v := range f.Values {
			if utf8.RuneCountInString(v) > maxFilterValue {
				return nil, origami.Errorf(origami.CodeInvalidParameterValue,
					"A value of the filter '%.128s' exceeds %d characters", name, maxFilterValue)
			}
		}
		if total += len(f.Values); total > maxFilterValues {
			return nil, origami.Errorf("FilterLimitExceeded",
				"The maximum number of filter values specified on a single call is %d", maxFilterValues)
		}
		out = append(out, origami.Filter{Name: name, Values: f.Values})
	}
	return out, nil
}

func (p properties[T]) known(name string) bool {
	if _, ok := p[name]; ok {
		return true
	}
	key, isTag := strings.CutPrefix(name, "tag:")
	return name == "tag-key" || name == "tag-value" || isTag && key != ""
}

// match reports whether a noun with tags passes every filter.
func (p properties[T]) match(filters []origami.Filter, noun T, tags origami.Tags) bool {
	for _, f := range filters {
		if !f.Match(p.values(f.Name, noun, tags)...) {
			return false
		}
	}
	return true
}

func (p properties[T]) values(name string, noun T, tags origami.Tags) []string {
	if property, ok := p[name]; ok {
		return property(noun)
	}
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if v, ok := tags[key]; ok {
			return []string{v}
		}
		return nil
	}
	values := make([]string, 0, len(tags))
	for k, v := range tags {
		if name == "tag-key" {
			v = k
		}
		values = append(values, v)
	}
	return values
}

// one is the value of a property that has one, or none if it is empty.
func one[S ~string](s S) []string {
	if s == "" {
		return nil
	}
	return []string{string(s)}
}

// each collects the values that every element of a list has.
func each[E any](list []E, values func(E) []string) []string {
	var all []string
	for _, e := range list {
		all = append(all, values(e)...)
	}
	return all
}

func boolean(b bool) []string { return []string{strconv.FormatBool(b)} }

func number[N ~int | ~int32 | ~int64](n N) []string { return []string{strconv.FormatInt(int64(n), 10)} }

// timestamp is the value of a time, none if it is zero.
func timestamp(t time.Time) []string { return one(formatTime(t)) }

// formatTime writes a time as answers do, and the zero time as "".
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

package awsquery

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Enums holds the closed sets of values that enum rules name.
type Enums map[string][]string

// check applies a field's rules to a scalar in its wire form.
func (e Enums) check(f *field, path, s string) error {
	r := &f.rule
	if r.enum != "" {
		set, ok := e[r.enum]
		if !ok {
			panic("awsquery: no enum " + r.enum)
		}
		if !slices.Contains(set, s) {
			return outside(path, s, "Valid values are: "+summary(set), "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
		}
	}
	if f.base.Kind() == reflect.String {
		n := int64(utf8.RuneCountInString(s))
		if r.max != nil && n > *r.max {
			return outside(path, s, fmt.Sprintf("Length exceeds maximum of %d.", *r.max), fmt.Sprintf("Member must have length less than or equal to %d", *r.max))
		}
		if r.min != nil && n < *r.min {
			return outside(path, s, fmt.Sprintf("Length is less than minimum of %d.", *r.min), fmt.Sprintf("Member must have length greater than or equal to %d", *r.min))
		}
	}
	if r.pattern != nil && !r.pattern.MatchString(s) {
		return invalid(path, s, "It must match the pattern "+f.rule.pattern.String()+".")
	}
	return nil
}

// summary lists the values of a set, the first ones of a long set.
func summary(set []string) string {
	const most = 20
	if len(set) <= most {
		return strings.Join(set, ", ") + "."
	}
	return strings.Join(set[:most], ", ") + fmt.Sprintf(" and %d more.", len(set)-most)
}

// scalar parses s into dst, whose type is the field's base type.
func (e Enums) scalar(f *field, path, s string, dst reflect.Value) error {
	if err := e.check(f, path, s); err != nil {
		return err
	}
	switch f.base.Kind() {
	case reflect.String:
		dst.SetString(s)
	case reflect.Bool:
		return parseBool(path, s, dst)
	case reflect.Int32, reflect.Int64:
		return parseInt(f, path, s, dst)
	case reflect.Float64:
		return parseFloat(path, s, dst)
	default:
		return parseTime(path, s, dst)
	}
	return nil
}

func parseBool(path, s string, dst reflect.Value) error {
	switch {
	case strings.EqualFold(s, "true"):
		dst.SetBool(true)
	case strings.EqualFold(s, "false"):
		dst.SetBool(false)
	default:
		return invalid(path, s, "It must be true or false.")
	}
	return nil
}

func parseInt(f *field, path, s string, dst reflect.Value) error {
	n, err := strconv.ParseInt(s, 10, f.base.Bits())
	if err != nil || s[0] == '+' {
		return invalid(path, s, fmt.Sprintf("It must be a decimal integer of %d bits.", f.base.Bits()))
	}
	if r := f.rule; r.min != nil && n < *r.min {
		return outside(path, s, fmt.Sprintf("It must be at least %d.", *r.min), fmt.Sprintf("Member must have value greater than or equal to %d", *r.min))
	}
	if r := f.rule; r.max != nil && n > *r.max {
		return outside(path, s, fmt.Sprintf("It must be at most %d.", *r.max), fmt.Sprintf("Member must have value less than or equal to %d", *r.max))
	}
	dst.SetInt(n)
	return nil
}

func parseFloat(path, s string, dst reflect.Value) error {
	// ParseFloat knows more notations than a decimal number.
	decimal := strings.Trim(s, "0123456789+-.eE") == ""
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || !decimal {
		return invalid(path, s, "It must be a decimal number.")
	}
	dst.SetFloat(x)
	return nil
}

// timeLayouts are the accepted forms of ISO 8601. Seconds may have a fraction
// (which Parse accepts without being told) and may be missing.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04Z07:00"}

// timeFormat is how times are written: milliseconds, UTC.
const timeFormat = "2006-01-02T15:04:05.000Z"

func parseTime(path, s string, dst reflect.Value) error {
	for _, layout := range timeLayouts {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if y := t.UTC().Year(); y < 1 || y > 9999 {
			break
		}
		dst.Set(reflect.ValueOf(t.UTC()))
		return nil
	}
	return invalid(path, s, "It must be a time such as 2030-01-01T00:00:00Z.")
}

func parseBlob(path, s string, dst reflect.Value) error {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return invalid(path, s, "It must be base64.")
	}
	dst.SetBytes(b)
	return nil
}

package policy

import (
	"bytes"
	"encoding/base64"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operator compares values of a policy with those of a request.
type operator struct {
	// parse reads a value of a policy.
	parse func(s string, variables bool) (operand, bool)
	// equal compares it with one of the request. Text of the request that the
	// operator cannot read compares with nothing.
	equal   func(o operand, have string, keys Keys) bool
	negated bool
	null    bool // it asks whether the key exists
}

// any reports whether one of the values compares.
func (op *operator) any(values []operand, have string, keys Keys) bool {
	for _, o := range values {
		if op.equal(o, have, keys) {
			return true
		}
	}
	return false
}

// operators lists all, by name.
var operators = map[string]*operator{
	"StringEquals":              {parse: parseText, equal: equalText},
	"StringNotEquals":           {parse: parseText, equal: equalText, negated: true},
	"StringEqualsIgnoreCase":    {parse: parseText, equal: equalFold},
	"StringNotEqualsIgnoreCase": {parse: parseText, equal: equalFold, negated: true},
	"StringLike":                {parse: parseLike, equal: equalText},
	"StringNotLike":             {parse: parseLike, equal: equalText, negated: true},

	"NumericEquals":            {parse: parseNumber, equal: numeric(func(have, want float64) bool { return have == want })},
	"NumericNotEquals":         {parse: parseNumber, equal: numeric(func(have, want float64) bool { return have == want }), negated: true},
	"NumericLessThan":          {parse: parseNumber, equal: numeric(func(have, want float64) bool { return have < want })},
	"NumericLessThanEquals":    {parse: parseNumber, equal: numeric(func(have, want float64) bool { return have <= want })},
	"NumericGreaterThan":       {parse: parseNumber, equal: numeric(func(have, want float64) bool { return have > want })},
	"NumericGreaterThanEquals": {parse: parseNumber, equal: numeric(func(have, want float64) bool { return have >= want })},

	"DateEquals":            {parse: parseDate, equal: date(func(c int) bool { return c == 0 })},
	"DateNotEquals":         {parse: parseDate, equal: date(func(c int) bool { return c == 0 }), negated: true},
	"DateLessThan":          {parse: parseDate, equal: date(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":    {parse: parseDate, equal: date(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":       {parse: parseDate, equal: date(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals": {parse: parseDate, equal: date(func(c int) bool { return c >= 0 })},

	"Bool":         {parse: parseBool, equal: equalFold},
	"Null":         {parse: parseBool, equal: equalFold, null: true},
	"BinaryEquals": {parse: parseBinary, equal: equalBinary},
	"IpAddress":    {parse: parsePrefix, equal: inPrefix},
	"NotIpAddress": {parse: parsePrefix, equal: inPrefix, negated: true},

	"ArnEquals":    {parse: parseARN, equal: equalARN},
	"ArnLike":      {parse: parseARN, equal: equalARN},
	"ArnNotEquals": {parse: parseARN, equal: equalARN, negated: true},
	"ArnNotLike":   {parse: parseARN, equal: equalARN, negated: true},
}

func parseText(s string, variables bool) (operand, bool) {
	p, ok := compile(s, variables, false)
	return operand{pattern: p}, ok
}

func parseLike(s string, variables bool) (operand, bool) {
	p, ok := compile(s, variables, true)
	return operand{pattern: p}, ok
}

func equalText(o operand, have string, keys Keys) bool { return o.pattern.match(have, keys, false) }
func equalFold(o operand, have string, keys Keys) bool { return o.pattern.match(have, keys, true) }

func parseNumber(s string, _ bool) (operand, bool) {
	f, ok := toNumber(s)
	return operand{value: f}, ok
}

func toNumber(s string) (float64, bool) {
	if len(s) > 64 || s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsInf(f, 0)
}

func numeric(compare func(have, want float64) bool) func(operand, string, Keys) bool {
	return func(o operand, have string, _ Keys) bool {
		f, ok := toNumber(have)
		return ok && compare(f, o.value.(float64))
	}
}

// dateForms are those of ISO 8601 that policies use.
var dateForms = []string{
	time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02", "2006-01", "2006",
}

func parseDate(s string, _ bool) (operand, bool) {
	t, ok := toDate(s)
	return operand{value: t}, ok
}

// toDate reads a time in one of the forms, or in seconds since 1970.
func toDate(s string) (time.Time, bool) {
	if len(s) > 64 {
		return time.Time{}, false
	}
	for _, form := range dateForms {
		if t, err := time.Parse(form, s); err == nil {
			return t, true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0), err == nil
}

func date(compare func(int) bool) func(operand, string, Keys) bool {
	return func(o operand, have string, _ Keys) bool {
		t, ok := toDate(have)
		return ok && compare(t.Compare(o.value.(time.Time)))
	}
}

func parseBool(s string, variables bool) (operand, bool) {
	p, ok := compile(s, variables, false)
	return operand{pattern: p}, ok && (p.variables || strings.EqualFold(s, "true") || strings.EqualFold(s, "false"))
}

func parseBinary(s string, _ bool) (operand, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return operand{value: b}, err == nil
}

func equalBinary(o operand, have string, _ Keys) bool {
	b, err := base64.StdEncoding.DecodeString(have)
	return err == nil && bytes.Equal(b, o.value.([]byte))
}

func parsePrefix(s string, _ bool) (operand, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return operand{value: netip.PrefixFrom(a, a.BitLen())}, true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return operand{}, false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 { // as addresses are compared
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return operand{value: p.Masked()}, true
}

func inPrefix(o operand, have string, _ Keys) bool {
	a, err := netip.ParseAddr(have)
	return err == nil && o.value.(netip.Prefix).Contains(a.Unmap().WithZone(""))
}

// parseARN splits a pattern into the six parts of an ARN, which compare one by
// one, so that no wildcard reaches over a colon before the last.
func parseARN(s string, variables bool) (operand, bool) {
	p, ok := compile(s, variables, true)
	if s == "*" {
		return operand{pattern: p}, true
	}
	return operand{pattern: p, value: p.split(6)}, ok && (p.variables || p.arn())
}

func equalARN(o operand, have string, keys Keys) bool {
	want, _ := o.value.([]pattern)
	parts := strings.SplitN(have, ":", max(len(want), 1))
	if want == nil {
		return strings.HasPrefix(have, "arn:") && strings.Count(have, ":") >= 5
	}
	// The last of fewer than six parts takes the rest.
	if len(parts) != len(want) {
		return false
	}
	for i, p := range want {
		if !p.match(parts[i], keys, false) {
			return false
		}
	}
	return true
}

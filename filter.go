package origami

import "strings"

// Filter is one condition of a list request: the named property matches one of
// the values. Values are patterns: "*" stands for any characters, "?" for one
// or none, and a backslash makes the next character plain.
type Filter struct {
	Name   string
	Values []string
}

// Match reports whether any of the given property values matches any of the
// filter's patterns. A resource that lacks the property passes nothing.
func (f Filter) Match(values ...string) bool {
	for _, pattern := range f.Values {
		for _, v := range values {
			if MatchPattern(pattern, v) {
				return true
			}
		}
	}
	return false
}

// Literals returns the filter's values with escapes removed, if none of them
// has a wildcard. A store can then look them up instead of matching.
func (f Filter) Literals() ([]string, bool) {
	out := make([]string, 0, len(f.Values))
	for _, pattern := range f.Values {
		var b strings.Builder
		for i := 0; i < len(pattern); i++ {
			switch c := pattern[i]; {
			case c == '*' || c == '?':
				return nil, false
			case c == '\\' && i+1 < len(pattern):
				i++
				b.WriteByte(pattern[i])
			default:
				b.WriteByte(c)
			}
		}
		out = append(out, b.String())
	}
	return out, true
}

// Prefixes returns, for each of the filter's values, the plain text that
// whatever it matches begins with: for a value without wildcards all of it.
func (f Filter) Prefixes() []string {
	out := make([]string, len(f.Values))
	for n, pattern := range f.Values {
		var b strings.Builder
		for i := 0; i < len(pattern) && pattern[i] != '*' && pattern[i] != '?'; i++ {
			if pattern[i] == '\\' && i+1 < len(pattern) {
				i++
			}
			b.WriteByte(pattern[i])
		}
		out[n] = b.String()
	}
	return out
}

// MatchPattern reports whether s matches the filter pattern. It takes time
// proportional to len(pattern) × len(s) at worst, whatever the pattern.
func MatchPattern(pattern, s string) bool {
	if !strings.ContainsAny(pattern, `*?\`) {
		return pattern == s
	}
	// reach[j] says whether the pattern read so far matches the first j runes.
	text := []rune(s)
	reach := make([]bool, len(text)+1)
	reach[0] = true
	escaped := false
	for _, c := range pattern {
		switch {
		case c == '\\' && !escaped:
			escaped = true
			continue
		case c == '*' && !escaped:
			for j := 1; j <= len(text); j++ {
				reach[j] = reach[j] || reach[j-1]
			}
		case c == '?' && !escaped:
			for j := len(text); j > 0; j-- {
				reach[j] = reach[j] || reach[j-1]
			}
		default:
			for j := len(text); j > 0; j-- {
				reach[j] = reach[j-1] && text[j-1] == c
			}
			reach[0] = false
		}
		escaped = false
	}
	if escaped { // a backslash at the end stands for itself
		return len(text) > 0 && reach[len(text)-1] && text[len(text)-1] == '\\'
	}
	return reach[len(text)]
}

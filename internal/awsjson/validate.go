package awsjson

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// violations collects the rules that a body breaks, at most maxViolations.
type violations struct {
	list []string
	more int
}

const maxViolations = 20

func (v *violations) add(format string, args ...any) {
	if len(v.list) == maxViolations {
		v.more++
		return
	}
	v.list = append(v.list, fmt.Sprintf(format, args...))
}

// err is the error for all of them, or nil.
func (v *violations) err() error {
	n := len(v.list) + v.more
	if n == 0 {
		return nil
	}
	noun := "errors"
	if n == 1 {
		noun = "error"
	}
	return &Error{CodeValidation, fmt.Sprintf("%d validation %s detected: %s", n, noun, strings.Join(v.list, "; "))}
}

// text checks a string.
func (v *violations) text(r *rule, s, at string) {
	v.length(r, utf8.RuneCountInString(s), s, at)
	if r.enum != nil && !slices.Contains(r.enum, s) {
		v.add("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]", clip(s), at, strings.Join(r.enum, ", "))
	}
	if r.pattern != nil && !r.pattern.MatchString(s) {
		v.add("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", clip(s), at, r.source)
	}
}

// length checks the length of a string or blob.
func (v *violations) length(r *rule, n int, value, at string) {
	v.bounds(r, int64(n), "Value '"+clip(value)+"' at '"+at+"' failed to satisfy constraint: Member must have length")
}

// size checks the number of elements of a list or map.
func (v *violations) size(r *rule, n int, at string) {
	v.bounds(r, int64(n), fmt.Sprintf("Value of %d elements at '%s' failed to satisfy constraint: Member must have length", n, at))
}

// number checks an integer.
func (v *violations) number(r *rule, n int64, at string) {
	v.bounds(r, n, fmt.Sprintf("Value '%d' at '%s' failed to satisfy constraint: Member must have value", n, at))
}

func (v *violations) bounds(r *rule, n int64, what string) {
	if r.min != nil && n < *r.min {
		v.add("%s greater than or equal to %d", what, *r.min)
	}
	if r.max != nil && n > *r.max {
		v.add("%s less than or equal to %d", what, *r.max)
	}
}

package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// pattern is a text with wildcards and policy variables. "*" stands for any
// text, "?" for one character.
type pattern struct {
	tokens    []token
	variables bool
}

// token is one character, wildcard or variable.
type token struct {
	kind tokenKind
	r    rune
	name string // of the variable, in lower case
	key  string // the same as it is written
	text string // its default
	def  bool   // it has one
}

type tokenKind byte

const (
	literal tokenKind = iota
	anyOne
	anyText
	variable
)

// compile reads a pattern. Variables count only if variables is set, as they
// do since version 2012-10-17; wildcards only if wild is.
func compile(s string, variables, wild bool) (pattern, bool) {
	var p pattern
	for len(s) > 0 {
		if variables && strings.HasPrefix(s, "${") {
			body, rest, ok := strings.Cut(s[2:], "}")
			if !ok {
				return p, false
			}
			t, ok := parseVariable(body)
			if !ok {
				return p, false
			}
			p.variables = p.variables || t.kind == variable
			p.tokens = append(p.tokens, t)
			s = rest
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		switch {
		case wild && r == '*':
			if n := len(p.tokens); n > 0 && p.tokens[n-1].kind == anyText {
				continue // as good as one
			}
			p.tokens = append(p.tokens, token{kind: anyText})
		case wild && r == '?':
			p.tokens = append(p.tokens, token{kind: anyOne})
		default:
			p.tokens = append(p.tokens, token{kind: literal, r: r})
		}
	}
	return p, true
}

// parseVariable reads what is between the braces: a key, perhaps with a
// default in quotes, or a character that would mean something else.
func parseVariable(body string) (token, bool) {
	switch body {
	case "*", "?", "$":
		return token{kind: literal, r: rune(body[0])}, true
	}
	name, rest, def := strings.Cut(body, ",")
	t := token{kind: variable, name: strings.ToLower(strings.TrimSpace(name)), key: strings.TrimSpace(name), def: def}
	if def {
		rest = strings.TrimSpace(rest)
		if len(rest) < 2 || rest[0] != '\'' || rest[len(rest)-1] != '\'' {
			return t, false
		}
		t.text = rest[1 : len(rest)-1]
	}
	vendor, key, ok := strings.Cut(t.name, ":")
	return t, ok && vendor != "" && key != "" && !strings.ContainsAny(t.name, "${'\"")
}

// bound is the pattern with the values of its variables in place, which are
// literal whatever they contain. It is false if one has not exactly one value.
func (p pattern) bound(keys Keys) ([]token, bool) {
	if !p.variables {
		return p.tokens, true
	}
	out := make([]token, 0, len(p.tokens)+32)
	for _, t := range p.tokens {
		if t.kind != variable {
			out = append(out, t)
			continue
		}
		value := t.text
		if values, ok := keys[t.name]; ok && len(values) == 1 {
			value = values[0]
		} else if !t.def {
			return nil, false
		}
		for _, r := range value {
			out = append(out, token{kind: literal, r: r})
		}
	}
	return out, true
}

// match reports whether s is what the pattern says. fold ignores case.
func (p pattern) match(s string, keys Keys, fold bool) bool {
	tokens, ok := p.bound(keys)
	return ok && matchTokens(tokens, s, fold)
}

// matchTokens matches with one mark to go back to: that of the last "*", since
// an earlier one could do no better.
func matchTokens(tokens []token, s string, fold bool) bool {
	i := 0            // in tokens
	star, at := -1, 0 // the last anyText, and what of s it has left over
	for pos := 0; pos < len(s); {
		r, n := utf8.DecodeRuneInString(s[pos:])
		switch {
		case i < len(tokens) && tokens[i].kind == anyText:
			star, at = i, pos
			i++
			continue
		case i < len(tokens) && (tokens[i].kind == anyOne || same(tokens[i].r, r, fold)):
			i++
			pos += n
			continue
		case star < 0:
			return false
		}
		_, n = utf8.DecodeRuneInString(s[at:])
		at += n
		i, pos = star+1, at
	}
	for i < len(tokens) && tokens[i].kind == anyText {
		i++
	}
	return i == len(tokens)
}

func same(a, b rune, fold bool) bool {
	return a == b || fold && unicode.ToLower(a) == unicode.ToLower(b)
}

// split divides a pattern at its first n-1 literal colons.
func (p pattern) split(n int) []pattern {
	var out []pattern
	from := 0
	for i, t := range p.tokens {
		if len(out) < n-1 && t.kind == literal && t.r == ':' {
			out = append(out, pattern{p.tokens[from:i], p.variables})
			from = i + 1
		}
	}
	return append(out, pattern{p.tokens[from:], p.variables})
}

package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest is the form of a request that both sides hash.
func canonicalRequest(r *http.Request, service string, signed []string, payload string) (string, error) {
	query, err := canonicalQuery(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(r.Method)
	b.WriteByte('\n')
	b.WriteString(canonicalPath(r.URL, service))
	b.WriteByte('\n')
	b.WriteString(query)
	b.WriteByte('\n')
	for _, name := range signed {
		values, ok := headerValues(r, name)
		if !ok {
			return "", errors.New("the signed header " + name + " is missing")
		}
		b.WriteString(name)
		b.WriteByte(':')
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(squeeze(v))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(signed, ";"))
	b.WriteByte('\n')
	b.WriteString(payload)
	return b.String(), nil
}

// headerValues finds a header by its lower-case name. Package http keeps the
// host outside the header on both sides, and the length on the client's.
func headerValues(r *http.Request, name string) ([]string, bool) {
	if name == "host" {
		if r.Host != "" {
			return []string{r.Host}, true
		}
		return []string{r.URL.Host}, r.URL.Host != ""
	}
	values := r.Header[http.CanonicalHeaderKey(name)]
	if len(values) == 0 && name == "content-length" && r.ContentLength >= 0 {
		return []string{strconv.FormatInt(r.ContentLength, 10)}, true
	}
	return values, len(values) > 0
}

// squeeze trims a header value and makes inner runs of spaces one.
func squeeze(s string) string {
	s = strings.Trim(s, " \t")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// canonicalPath encodes the path as sent once more; for S3 it is the path
// encoded once and otherwise untouched.
func canonicalPath(u *url.URL, service string) string {
	path := u.EscapedPath()
	switch {
	case service != "s3":
		return encode(cleanPath(path), true)
	case path == "":
		return "/"
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		// EscapedPath holds valid escapes only.
		if plain, err := url.PathUnescape(s); err == nil {
			segments[i] = encode(plain, false)
		}
	}
	return strings.Join(segments, "/")
}

// cleanPath removes empty and dot segments, RFC 3986 section 5.2.4.
func cleanPath(p string) string {
	var kept []string
	last := ""
	for last = range strings.SplitSeq(p, "/") {
		switch last {
		case "", ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, last)
		}
	}
	clean := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && (last == "" || last == "." || last == "..") {
		clean += "/"
	}
	return clean
}

// canonicalQuery sorts parameters by encoded name and value, without the
// signature itself.
func canonicalQuery(raw string) (string, error) {
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return "", errors.New("the query string is malformed")
		}
		value, err = url.QueryUnescape(value)
		if err != nil {
			return "", errors.New("the query string is malformed")
		}
		if name != paramSignature {
			pairs = append(pairs, [2]string{encode(name, false), encode(value, false)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0])
		b.WriteByte('=')
		b.WriteString(p[1])
	}
	return b.String(), nil
}

// encode percent-encodes everything but unreserved characters, RFC 3986
// section 2.3, and optionally the slash.
func encode(s string, keepSlash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

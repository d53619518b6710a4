package endpoint

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"origami/internal/sigv4"
)

// withoutSignature takes the presigned form's parameters out of a query. What
// it leaves of a query that does not parse is refused by the service.
func withoutSignature(raw string) string {
	presign := sigv4.PresignParams()
	var kept []string
	for part := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil && slices.Contains(presign, plain) || part == "" {
			continue
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "&")
}

// actionOf finds the name of the operation for the log: in X-Amz-Target, or
// else the parameter Action.
func actionOf(r *http.Request, body []byte) string {
	name := r.Header.Get("X-Amz-Target")
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[i+1:]
	}
	if name == "" {
		name = parameter(r.URL.RawQuery, "Action")
	}
	if name == "" {
		name = parameter(formOf(r, body), "Action")
	}
	if len(name) > 128 || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		return ""
	}
	return name
}

// formOf is the body of a request if it can be a form, and "" otherwise.
func formOf(r *http.Request, body []byte) string {
	if t := r.Header.Get("Content-Type"); t != "" && !strings.HasPrefix(t, "application/x-www-form-urlencoded") {
		return ""
	}
	return string(body)
}

func parameter(form, name string) string {
	for part := range strings.SplitSeq(form, "&") {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			return value
		}
	}
	return ""
}

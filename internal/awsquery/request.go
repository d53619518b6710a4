package awsquery

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// codeProtocol is the code for requests that speak something else.
const codeProtocol = "UnsupportedProtocol"

// ParseRequest collects the parameters of a GET or POST request from its
// query and its body, which it reads whole: bound it first. An [*Error] is for
// the sender; any other error is of reading the body.
func ParseRequest(r *http.Request) (url.Values, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return nil, &Error{Code: codeProtocol, Message: fmt.Sprintf("The method %.16q is not supported. Use POST.", r.Method)}
	}
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("The query string contains a syntax error")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	if len(body) == 0 {
		return form, nil
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/x-www-form-urlencoded" {
			return nil, &Error{Code: codeProtocol, Message: fmt.Sprintf("The content type %.64q is not supported. Use application/x-www-form-urlencoded.", t)}
		}
	}
	more, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed("The request body contains a syntax error")
	}
	for name, values := range more {
		form[name] = append(form[name], values...)
	}
	return form, nil
}

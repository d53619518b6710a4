package awsjson

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// ParseRequest finds the operation and the body of a request to the service
// whose targets begin with prefix: "TrentService". It reads the body whole: bound
// it first. An [*Error] is for the sender; any other error is of reading the
// body.
func ParseRequest(r *http.Request, prefix string) (operation string, body []byte, err error) {
	if r.Method != http.MethodPost {
		return "", nil, &Error{CodeUnknownOperation, fmt.Sprintf("The method %.16q is not supported. Use POST.", r.Method)}
	}
	target := r.Header.Values("X-Amz-Target")
	if len(target) != 1 {
		return "", nil, &Error{CodeUnknownOperation, "The request must have one header X-Amz-Target."}
	}
	service, operation, ok := strings.Cut(target[0], ".")
	if !ok || service != prefix || operation == "" || len(operation) > 128 {
		return "", nil, &Error{CodeUnknownOperation, fmt.Sprintf("The target %q is not an operation of this service.", clip(target[0]))}
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != ContentType && media != "application/json" {
		return "", nil, malformed("The content type %.64q is not supported. Use %s.", r.Header.Get("Content-Type"), ContentType)
	}
	body, err = io.ReadAll(r.Body)
	if err != nil {
		return "", nil, fmt.Errorf("read request body: %w", err)
	}
	return operation, body, nil
}

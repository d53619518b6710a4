// Package queryapi serves what the APIs of the AWS query protocol have in
// common, STS and IAM among them: which operation a request names, and the
// documents of answers and errors. The codec below it is package awsquery; EC2
// has a dialect and a door of its own.
package queryapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"origami"
	"origami/internal/awsquery"
)

// CodeValidation is the code for parameters that are not as they must be.
const CodeValidation origami.Code = "ValidationError"

// API is one service as its model names it.
type API struct {
	Name      string          // as errors name it: "AWSSecurityTokenService"
	Version   string          // that is served
	Namespace string          // of answers
	Unserved  map[string]bool // the operations that the API has and we do not
}

// Find finds the operation that a request names among those that are served.
func Find[Op any](a *API, form url.Values, served map[string]Op) (name string, op Op, err error) {
	name, version := form.Get("Action"), form.Get("Version")
	switch {
	case name == "":
		err = origami.Errorf(origami.CodeMissingAction, "The request must contain the parameter Action")
	case version == "":
		err = origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter Version")
	case version != a.Version:
		err = origami.Errorf(origami.CodeNoSuchVersion, "The requested version (%.64s) of service %s does not exist", version, a.Name)
	}
	if err != nil {
		return "", op, err
	}
	op, ok := served[name]
	switch {
	case ok:
		return name, op, nil
	case a.Unserved[name]:
		return "", op, origami.Errorf(origami.CodeUnsupportedOperation, "The operation %s is not supported by this service.", name)
	}
	return "", op, origami.Errorf(origami.CodeInvalidAction, "Could not find operation %.128s for version %s", name, a.Version)
}

// WriteAnswer writes the answer of an operation.
func (a *API) WriteAnswer(w http.ResponseWriter, operation, request string, out any) {
	w.Header().Set("Content-Type", awsquery.ContentType)
	// An error of the writer means that the client is gone.
	_ = awsquery.Query.Encode(w, awsquery.Response{Operation: operation, Namespace: a.Namespace, RequestID: request, Body: out})
}

// WriteError writes an error document with the status of the error.
func (a *API) WriteError(w http.ResponseWriter, request string, e *origami.Error) {
	status, code := e.Status(), e.Code
	if code == origami.CodeInsufficientVolumeCapacity {
		code = "InternalFailure" // that of EC2 is none of theirs
	}
	w.Header().Set("Content-Type", awsquery.ContentType)
	w.WriteHeader(status)
	// An error of the writer means that the client is gone.
	_ = awsquery.Query.EncodeError(w, awsquery.ErrorResponse{
		Code: string(code), Message: e.Message, RequestID: request, Namespace: a.Namespace,
		Receiver: status >= http.StatusInternalServerError,
	})
}

// Refusal gives an error of the codec its place in our vocabulary; others are
// returned as they are.
func Refusal(err error) error {
	var e *awsquery.Error
	if !errors.As(err, &e) {
		return err
	}
	code := origami.Code(e.Code)
	if code == origami.CodeMissingParameter || code == origami.CodeInvalidParameterValue {
		code = CodeValidation
	}
	if e.Constraint == "" {
		return &origami.Error{Code: code, Message: e.Message}
	}
	value := "null"
	if e.Value != nil {
		value = "'" + *e.Value + "'"
	}
	return origami.Errorf(code, "1 validation error detected: Value %s at '%s' failed to satisfy constraint: %s", value, member(e.Path), e.Constraint)
}

// member is how messages name the member of a shape that a parameter is:
// "tags.1.member.key" is Tags.member.1.Key.
func member(path string) string {
	part := strings.Split(path, ".")
	for n, p := range part {
		if p == "" {
			continue
		}
		part[n] = strings.ToLower(p[:1]) + p[1:]
		if n > 0 && part[n-1] == "member" && p[0] >= '0' && p[0] <= '9' {
			part[n-1], part[n] = part[n], part[n-1]
		}
	}
	return strings.Join(part, ".")
}

// Package stsserver is the door of the Security Token Service: it tells callers
// who they are, and hands out temporary credentials.
package stsserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"origami"
	"origami/internal/awsquery"
	"origami/internal/iam"
)

// Version is the API version that is served.
const Version = "2011-06-15"

const namespace = "https://sts.amazonaws.com/doc/" + Version + "/"

// known lists the operations of STS that are not served.
var known = map[string]bool{
	"AssumeRoleWithSAML":        true,
	"AssumeRoleWithWebIdentity": true,
	"AssumeRoot":                true,
	"GetDelegatedAccessToken":   true,
	"GetFederationToken":        true,
	"GetWebIdentityToken":       true,
}

// Handler serves STS to authenticated callers. It is safe for concurrent use.
type Handler struct {
	Accounts *iam.Service
}

// operation is one that is served.
type operation struct {
	newInput func() any
	call     func(h *Handler, ctx context.Context, who origami.Caller, in any) (any, error)
}

// op makes an operation of a method.
func op[I, O any](f func(*Handler, context.Context, origami.Caller, *I) (*O, error)) operation {
	return operation{
		newInput: func() any { return new(I) },
		call: func(h *Handler, ctx context.Context, who origami.Caller, in any) (any, error) {
			return f(h, ctx, who, in.(*I))
		},
	}
}

var operations = map[string]operation{
	"AssumeRole":                 op((*Handler).assumeRole),
	"DecodeAuthorizationMessage": op((*Handler).decodeAuthorizationMessage),
	"GetAccessKeyInfo":           op((*Handler).getAccessKeyInfo),
	"GetCallerIdentity":          op((*Handler).getCallerIdentity),
	"GetSessionToken":            op((*Handler).getSessionToken),
}

// ServeAWS answers a request whose signature is verified. When it returns an
// error it has written nothing, and the error is for WriteError.
func (h *Handler) ServeAWS(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	form, err := awsquery.ParseRequest(r)
	if err != nil {
		return wireError(err)
	}
	o, err := findOperation(form)
	if err != nil {
		return err
	}
	in := o.newInput()
	if _, err := awsquery.Query.Decode(form, in, nil); err != nil {
		return wireError(err)
	}
	out, err := o.call(h, r.Context(), who, in)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", awsquery.ContentType)
	// An error of the writer means that the client is gone.
	_ = awsquery.Query.Encode(w, awsquery.Response{
		Operation: form.Get("Action"), Namespace: namespace, RequestID: who.Request, Body: out,
	})
	return nil
}

// findOperation finds the operation that a request names.
func findOperation(form url.Values) (operation, error) {
	action, version := form.Get("Action"), form.Get("Version")
	switch {
	case action == "":
		return operation{}, origami.Errorf(origami.CodeMissingAction, "The request must contain the parameter Action")
	case version == "":
		return operation{}, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter Version")
	case version != Version:
		return operation{}, origami.Errorf(origami.CodeNoSuchVersion, "The requested version (%.64s) of service AWSSecurityTokenService does not exist", version)
	case known[action]:
		return operation{}, origami.Errorf(origami.CodeUnsupportedOperation, "The operation %s is not supported by this service.", action)
	}
	o, ok := operations[action]
	if !ok {
		return o, origami.Errorf(origami.CodeInvalidAction, "Could not find operation %.128s for version %s", action, Version)
	}
	return o, nil
}

// WriteError writes the error document of STS.
func (h *Handler) WriteError(w http.ResponseWriter, request string, e *origami.Error) {
	status := e.Status()
	w.Header().Set("Content-Type", awsquery.ContentType)
	w.WriteHeader(status)
	// An error of the writer means that the client is gone.
	_ = awsquery.Query.EncodeError(w, awsquery.ErrorResponse{
		Code: string(e.Code), Message: e.Message, RequestID: request, Namespace: namespace,
		Receiver: status >= http.StatusInternalServerError,
	})
}

// wireError gives an error of the codec its place in our vocabulary.
func wireError(err error) error {
	var e *awsquery.Error
	if !errors.As(err, &e) {
		return err
	}
	code := origami.Code(e.Code)
	if code == origami.CodeMissingParameter || code == origami.CodeInvalidParameterValue {
		code = "ValidationError"
	}
	return &origami.Error{Code: code, Message: e.Message}
}

// Package iamserver is the door of AWS Identity and Access Management: the
// query protocol's names for the verbs of package iam.
//
// The operations share a small vocabulary of parameters; so there is one input
// for all, and a table that says which operation takes which ([operations]).
// IAM has no regions: identities made here count in all of them.
package iamserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"origami"
	"origami/internal/awsquery"
	"origami/internal/iam"
)

// Version is the API version that is served.
const Version = "2010-05-08"

const namespace = "https://iam.amazonaws.com/doc/" + Version + "/"

// codeValidation is IAM's code for parameters that are not as they must be.
const codeValidation origami.Code = "ValidationError"

// Handler serves IAM to authenticated callers. It is safe for concurrent use.
type Handler struct {
	accounts *iam.Service
	taken    map[string]map[string]bool // parameters by operation; true if required
}

// New makes a handler. It panics if the table of operations names a parameter
// that does not exist.
func New(accounts *iam.Service) *Handler {
	h := &Handler{accounts, make(map[string]map[string]bool)}
	for name, op := range operations {
		h.taken[name] = make(map[string]bool)
		for _, p := range strings.Fields(op.takes) {
			p, required := strings.CutSuffix(p, "!")
			if _, err := awsquery.Query.ParseSupport(p, new(input)); err != nil {
				if _, err := awsquery.Query.ParseSupport(p+".*", new(input)); err != nil {
					panic("iamserver: " + name + ": " + err.Error())
				}
			}
			h.taken[name][p] = required
		}
	}
	return h
}

// operation is one that is served.
type operation struct {
	takes string               // parameters; "!" marks those that must be there
	kind  origami.IdentityKind // that it is about, where there are three alike
	about subject              // what policies see it do something to; nil is nothing
	do    func(c *call) (any, error)
}

// call is a request on its way.
type call struct {
	*input
	ctx  context.Context
	who  origami.Caller
	iam  *iam.Service
	op   string
	kind origami.IdentityKind
}

// ServeAWS answers a request whose signature is verified. When it returns an
// error it has written nothing, and the error is for WriteError.
func (h *Handler) ServeAWS(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	form, err := awsquery.ParseRequest(r)
	if err != nil {
		return wireError(err)
	}
	name, op, err := findOperation(form)
	if err != nil {
		return err
	}
	c := &call{input: new(input), ctx: r.Context(), who: who, iam: h.accounts, op: name, kind: op.kind}
	params, err := awsquery.Query.Decode(form, c.input, nil)
	if err != nil {
		return wireError(err)
	}
	if err := h.checkTaken(name, params); err != nil {
		return err
	}
	if err := c.permit(op); err != nil {
		return err
	}
	out, err := op.do(c)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", awsquery.ContentType)
	// An error of the writer means that the client is gone.
	_ = awsquery.Query.Encode(w, awsquery.Response{Operation: name, Namespace: namespace, RequestID: who.Request, Body: out})
	return nil
}

// checkTaken checks that the parameters are those of the operation.
func (h *Handler) checkTaken(operation string, params []awsquery.Param) error {
	have := make(map[string]bool)
	for _, p := range params {
		name, _, _ := strings.Cut(p.Pattern, ".")
		if _, ok := h.taken[operation][name]; !ok {
			return origami.Errorf(origami.CodeUnknownParameter, "The parameter %.128s is not recognized", p.Path)
		}
		have[name] = true
	}
	for name, required := range h.taken[operation] {
		if required && !have[name] {
			return origami.Errorf(codeValidation, "1 validation error detected: Value null at '%s' failed to satisfy constraint: "+
				"Member must not be null", strings.ToLower(name[:1])+name[1:])
		}
	}
	return nil
}

// findOperation finds the operation that a request names.
func findOperation(form url.Values) (string, operation, error) {
	action, version := form.Get("Action"), form.Get("Version")
	switch {
	case action == "":
		return "", operation{}, origami.Errorf(origami.CodeMissingAction, "The request must contain the parameter Action")
	case version == "":
		return "", operation{}, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter Version")
	case version != Version:
		return "", operation{}, origami.Errorf(origami.CodeNoSuchVersion, "The requested version (%.64s) of service AmazonIdentityManagement does not exist", version)
	}
	op, ok := operations[action]
	switch {
	case ok:
		return action, op, nil
	case known[action]:
		return "", op, origami.Errorf(origami.CodeUnsupportedOperation, "The operation %s is not supported by this service.", action)
	}
	return "", op, origami.Errorf(origami.CodeInvalidAction, "Could not find operation %.128s for version %s", action, Version)
}

// WriteError writes the error document of IAM.
func (h *Handler) WriteError(w http.ResponseWriter, request string, e *origami.Error) {
	status := e.Code.Status()
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
		code = codeValidation
	}
	return &origami.Error{Code: code, Message: e.Message}
}

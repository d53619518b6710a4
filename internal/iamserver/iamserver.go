// Package iamserver is the door of AWS Identity and Access Management: the
// query protocol's names for the verbs of package iam.
//
// The operations share a small vocabulary of parameters; so there is one input
// for all, and a table that says which operation takes which ([operations]).
// IAM has no regions: identities made here count in all of them.
package iamserver

import (
	"context"
	"net/http"
	"strings"

	"origami"
	"origami/internal/awsquery"
	"origami/internal/iam"
	"origami/internal/queryapi"
)

// Version is the API version that is served.
const Version = "2010-05-08"

// api is what IAM has in common with other query services.
var api = &queryapi.API{
	Name: "AmazonIdentityManagement", Version: Version,
	Namespace: "https://iam.amazonaws.com/doc/" + Version + "/", Unserved: known,
}

// codeValidation is IAM's code for parameters that are not as they must be.
const codeValidation = queryapi.CodeValidation

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
		return queryapi.Refusal(err)
	}
	name, op, err := queryapi.Find(api, form, operations)
	if err != nil {
		return err
	}
	c := &call{input: new(input), ctx: r.Context(), who: who, iam: h.accounts, op: name, kind: op.kind}
	params, err := awsquery.Query.Decode(form, c.input, nil)
	if err != nil {
		return queryapi.Refusal(err)
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
	api.WriteAnswer(w, name, who.Request, out)
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

// WriteError writes the error document of IAM.
func (h *Handler) WriteError(w http.ResponseWriter, request string, e *origami.Error) {
	api.WriteError(w, request, e)
}

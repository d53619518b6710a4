// Package stsserver is the door of the Security Token Service: it tells callers
// who they are, and hands out temporary credentials.
package stsserver

import (
	"context"
	"net/http"

	"origami"
	"origami/internal/awsquery"
	"origami/internal/iam"
	"origami/internal/queryapi"
)

// Version is the API version that is served.
const Version = "2011-06-15"

// api is what STS has in common with other query services.
var api = &queryapi.API{
	Name: "AWSSecurityTokenService", Version: Version,
	Namespace: "https://sts.amazonaws.com/doc/" + Version + "/",
	Unserved: map[string]bool{
		"AssumeRoleWithSAML":        true,
		"AssumeRoleWithWebIdentity": true,
		"AssumeRoot":                true,
		"GetDelegatedAccessToken":   true,
		"GetFederationToken":        true,
		"GetWebIdentityToken":       true,
	},
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
		return queryapi.Refusal(err)
	}
	name, o, err := queryapi.Find(api, form, operations)
	if err != nil {
		return err
	}
	in := o.newInput()
	if _, err := awsquery.Query.Decode(form, in, nil); err != nil {
		return queryapi.Refusal(err)
	}
	out, err := o.call(h, r.Context(), who, in)
	if err != nil {
		return err
	}
	api.WriteAnswer(w, name, who.Request, out)
	return nil
}

// WriteError writes the error document of STS.
func (h *Handler) WriteError(w http.ResponseWriter, request string, e *origami.Error) {
	api.WriteError(w, request, e)
}

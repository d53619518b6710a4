// Package stsserver is the door of the Security Token Service: it tells
// callers who they are. Temporary credentials are not issued.
package stsserver

import (
	"errors"
	"net/http"
	"net/url"

	"origami"
	"origami/internal/awsquery"
)

// Version is the API version that is served.
const Version = "2011-06-15"

const namespace = "https://sts.amazonaws.com/doc/" + Version + "/"

// known lists the other operations of STS.
var known = map[string]bool{
	"AssumeRole":                 true,
	"AssumeRoleWithSAML":         true,
	"AssumeRoleWithWebIdentity":  true,
	"AssumeRoot":                 true,
	"DecodeAuthorizationMessage": true,
	"GetAccessKeyInfo":           true,
	"GetDelegatedAccessToken":    true,
	"GetFederationToken":         true,
	"GetSessionToken":            true,
	"GetWebIdentityToken":        true,
}

// Handler serves STS to authenticated callers. The zero value is ready, and
// safe for concurrent use.
type Handler struct{}

type getCallerIdentityInput struct{}

type getCallerIdentityOutput struct {
	UserID  *string `xml:"UserId"`
	Account *string `xml:"Account"`
	ARN     *string `xml:"Arn"`
}

// ServeAWS answers a request whose signature is verified. When it returns an
// error it has written nothing, and the error is for WriteError.
func (h *Handler) ServeAWS(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	form, err := awsquery.ParseRequest(r)
	if err != nil {
		return wireError(err)
	}
	if err := checkAction(form); err != nil {
		return err
	}
	if _, err := awsquery.Query.Decode(form, new(getCallerIdentityInput), nil); err != nil {
		return wireError(err)
	}
	account := string(who.Account)
	w.Header().Set("Content-Type", awsquery.ContentType)
	// An error of the writer means that the client is gone.
	_ = awsquery.Query.Encode(w, awsquery.Response{
		Operation: "GetCallerIdentity", Namespace: namespace, RequestID: who.Request,
		Body: &getCallerIdentityOutput{UserID: &who.UserID, Account: &account, ARN: &who.ARN},
	})
	return nil
}

// checkAction refuses every action but GetCallerIdentity.
func checkAction(form url.Values) error {
	action, version := form.Get("Action"), form.Get("Version")
	switch {
	case action == "":
		return origami.Errorf(origami.CodeMissingAction, "The request must contain the parameter Action")
	case version == "":
		return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter Version")
	case version != Version:
		return origami.Errorf(origami.CodeNoSuchVersion, "The requested version (%.64s) of service AWSSecurityTokenService does not exist", version)
	case known[action]:
		return origami.Errorf(origami.CodeUnsupportedOperation, "The operation %s is not supported by this service.", action)
	case action != "GetCallerIdentity":
		return origami.Errorf(origami.CodeInvalidAction, "Could not find operation %.128s for version %s", action, Version)
	}
	return nil
}

// WriteError writes the error document of STS.
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
	if errors.As(err, &e) {
		return &origami.Error{Code: origami.Code(e.Code), Message: e.Message}
	}
	return err
}

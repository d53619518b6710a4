// Package kmsserver is the door of the key management service: the operations of
// AWS KMS with symmetric keys, over the JSON protocol. It decodes, calls one verb
// of package kms, and encodes.
package kmsserver

import (
	"context"
	"errors"
	"net/http"

	"origami"
	"origami/internal/awsjson"
	"origami/internal/kms"
)

// targetPrefix begins the targets of KMS.
const targetPrefix = "TrentService"

// Handler serves KMS to authenticated callers. It is safe for concurrent use.
type Handler struct{ kms *kms.Service }

// New makes a handler that calls s.
func New(s *kms.Service) *Handler { return &Handler{s} }

// ServeAWS answers a request whose signature is verified. When it returns an
// error it has written nothing, and the error is for WriteError.
func (h *Handler) ServeAWS(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	name, body, err := awsjson.ParseRequest(r, targetPrefix)
	if err != nil {
		return wireError(err)
	}
	serve, ok := operations[name]
	if !ok {
		if other[name] {
			return origami.Errorf(kms.CodeUnsupported, "The operation %s is not supported by this service.", name)
		}
		return origami.Errorf(awsjson.CodeUnknownOperation, "The operation %.128q does not exist.", name)
	}
	out, err := serve(r.Context(), h, who, body)
	if err != nil {
		return wireError(err)
	}
	// An error of the writer means that the client is gone.
	_ = awsjson.Encode(w, out)
	return nil
}

// statuses lists the codes whose HTTP status is not 400.
var statuses = map[origami.Code]int{
	kms.CodeInternal:                 http.StatusInternalServerError,
	origami.CodeServiceUnavailable:   http.StatusServiceUnavailable,
	origami.CodeRequestLimitExceeded: http.StatusServiceUnavailable,
	"RequestEntityTooLarge":          http.StatusRequestEntityTooLarge,
}

// WriteError writes the error document of KMS.
func (h *Handler) WriteError(w http.ResponseWriter, _ string, e *origami.Error) {
	code := e.Code
	if code == origami.CodeInternalError || code == origami.CodeInsufficientVolumeCapacity {
		code = kms.CodeInternal
	}
	status := http.StatusBadRequest
	if s, ok := statuses[code]; ok {
		status = s
	}
	// An error of the writer means that the client is gone.
	_ = awsjson.EncodeError(w, status, string(code), e.Message)
}

// wireError gives errors of the codec, and of rooms that speak EC2, their place
// in the vocabulary of KMS.
func wireError(err error) error {
	var w *awsjson.Error
	if errors.As(err, &w) {
		return &origami.Error{Code: origami.Code(w.Code), Message: w.Message}
	}
	var e *origami.Error
	if errors.As(err, &e) && e.Code == origami.CodeInvalidParameterValue {
		return &origami.Error{Code: kms.CodeValidation, Message: e.Message, Err: err}
	}
	return err
}

// operation answers one operation: a struct for the answer, or an error.
type operation func(ctx context.Context, h *Handler, who origami.Caller, body []byte) (any, error)

// by makes an operation of a method of Handler.
func by[In, Out any](f func(*Handler, context.Context, kms.Access, *In) (*Out, error)) operation {
	return func(ctx context.Context, h *Handler, who origami.Caller, body []byte) (any, error) {
		in := new(In)
		if err := awsjson.Decode(body, in); err != nil {
			return nil, err
		}
		out, err := f(h, ctx, kms.Access{Caller: who}, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// operations lists what is served.
var operations = map[string]operation{
	"CancelKeyDeletion":               by((*Handler).cancelKeyDeletion),
	"CreateAlias":                     by((*Handler).createAlias),
	"CreateGrant":                     by((*Handler).createGrant),
	"CreateKey":                       by((*Handler).createKey),
	"Decrypt":                         by((*Handler).decrypt),
	"DeleteAlias":                     by((*Handler).deleteAlias),
	"DescribeKey":                     by((*Handler).describeKey),
	"DisableKey":                      by((*Handler).disableKey),
	"DisableKeyRotation":              by((*Handler).disableKeyRotation),
	"EnableKey":                       by((*Handler).enableKey),
	"EnableKeyRotation":               by((*Handler).enableKeyRotation),
	"Encrypt":                         by((*Handler).encrypt),
	"GenerateDataKey":                 by((*Handler).generateDataKey),
	"GenerateDataKeyWithoutPlaintext": by((*Handler).generateDataKeyWithoutPlaintext),
	"GenerateRandom":                  by((*Handler).generateRandom),
	"GetKeyPolicy":                    by((*Handler).getKeyPolicy),
	"GetKeyRotationStatus":            by((*Handler).getKeyRotationStatus),
	"ListAliases":                     by((*Handler).listAliases),
	"ListGrants":                      by((*Handler).listGrants),
	"ListKeyPolicies":                 by((*Handler).listKeyPolicies),
	"ListKeyRotations":                by((*Handler).listKeyRotations),
	"ListKeys":                        by((*Handler).listKeys),
	"ListResourceTags":                by((*Handler).listResourceTags),
	"ListRetirableGrants":             by((*Handler).listRetirableGrants),
	"PutKeyPolicy":                    by((*Handler).putKeyPolicy),
	"ReEncrypt":                       by((*Handler).reEncrypt),
	"ReplicateKey":                    by((*Handler).replicateKey),
	"RetireGrant":                     by((*Handler).retireGrant),
	"RevokeGrant":                     by((*Handler).revokeGrant),
	"RotateKeyOnDemand":               by((*Handler).rotateKeyOnDemand),
	"ScheduleKeyDeletion":             by((*Handler).scheduleKeyDeletion),
	"TagResource":                     by((*Handler).tagResource),
	"UntagResource":                   by((*Handler).untagResource),
	"UpdateAlias":                     by((*Handler).updateAlias),
	"UpdateKeyDescription":            by((*Handler).updateKeyDescription),
	"UpdatePrimaryRegion":             by((*Handler).updatePrimaryRegion),
}

// other lists the operations of KMS that are not served: those of asymmetric
// and MAC keys, of imported key material and of custom key stores.
var other = map[string]bool{
	"ConnectCustomKeyStore": true, "CreateCustomKeyStore": true, "Decapsulate": true, "DeleteCustomKeyStore": true,
	"DeleteImportedKeyMaterial": true, "DeriveSharedSecret": true, "DescribeCustomKeyStores": true,
	"DisconnectCustomKeyStore": true, "Encapsulate": true, "GenerateDataKeyPair": true, "GenerateDataKeyPairWithoutPlaintext": true,
	"GenerateMac": true, "GetKeyLastUsage": true, "GetParametersForImport": true, "GetPublicKey": true,
	"ImportKeyMaterial": true, "Sign": true, "UpdateCustomKeyStore": true, "Verify": true, "VerifyMac": true,
}

// nothing is the answer of operations that have none.
type nothing struct{}

package restjson

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"origami"
)

// The codes of errors that this package makes.
const (
	codeUnknownOperation origami.Code = "UnknownOperationException"
	codeSerialization    origami.Code = "SerializationException"
	codeInternal         origami.Code = "InternalServerException"
)

// statuses are those of the codes which the services here have; others have
// their own.
var statuses = map[origami.Code]int{
	origami.CodeAccessDeniedException:     http.StatusForbidden,
	origami.CodeConflictException:         http.StatusConflict,
	origami.CodeResourceNotFoundException: http.StatusNotFound,
	origami.CodeServiceQuotaException:     http.StatusPaymentRequired,
	codeUnknownOperation:                  http.StatusNotFound,
	codeInternal:                          http.StatusInternalServerError,
}

// Handler serves operations to authenticated callers. It is safe for
// concurrent use.
type Handler struct {
	service    string
	operations []Operation
	authorize  Authorizer
}

// Authorizer reports whether a caller may perform an action, such as
// "ebs:StartSnapshot", with an input: a pointer to the struct that the operation
// was defined with.
type Authorizer func(ctx context.Context, who origami.Caller, action string, in any) error

// New makes a handler of the operations of a service, whose signing name is
// "ebs" for example. A nil authorizer allows all.
func New(service string, operations []Operation, authorize Authorizer) *Handler {
	return &Handler{service, operations, authorize}
}

// Action is the name of the operation of a request, "" if there is none.
func (h *Handler) Action(r *http.Request) string {
	op, _, err := h.find(r)
	if err != nil {
		return ""
	}
	return op.Name
}

// releaser is an output that wants to know when it has been written.
type releaser interface{ Release() }

// ServeAWS answers a request whose signature is verified. When it returns an
// error it has written nothing, and the error is for WriteError.
func (h *Handler) ServeAWS(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	op, parts, err := h.find(r)
	if err != nil {
		return err
	}
	in, err := op.decode(r, parts)
	if err != nil {
		return err
	}
	if h.authorize != nil {
		if err := h.authorize(r.Context(), who, h.service+":"+op.Name, in); err != nil {
			return denied(err)
		}
	}
	out, err := op.call(r.Context(), who, in)
	if err != nil {
		return translate(err)
	}
	if r, ok := out.(releaser); ok {
		defer r.Release()
	}
	return op.write(w, out)
}

// denied is the refusal of a policy in the words of these services.
func denied(err error) error {
	var e *origami.Error
	if errors.As(err, &e) && (e.Code == origami.CodeUnauthorizedOperation || strings.HasPrefix(string(e.Code), "AccessDenied")) {
		return origami.Errorf(origami.CodeAccessDeniedException, "%s", e.Message).Because(origami.ReasonUnauthorizedAccount)
	}
	return err
}

// translate gives errors of EC2 that a concept may return their place among
// those of these services.
func translate(err error) error {
	var e *origami.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case origami.CodeInvalidParameterValue, origami.CodeInvalidSnapshotIDMalformed, origami.CodeInvalidTagKeyMalformed:
		return &origami.Error{Code: origami.CodeValidationException, Reason: origami.ReasonInvalidParameterValue, Message: e.Message, Err: e.Err}
	case origami.CodeTagLimitExceeded:
		return &origami.Error{Code: origami.CodeValidationException, Reason: origami.ReasonInvalidTag, Message: e.Message, Err: e.Err}
	}
	return err
}

// write answers with an output.
func (op *Operation) write(w http.ResponseWriter, out any) error {
	v := reflect.ValueOf(out).Elem()
	var body []byte
	if op.output.payload {
		w.Header().Set("Content-Type", "application/octet-stream")
	} else {
		w.Header().Set("Content-Type", "application/json")
		var err error
		if body, err = json.Marshal(out); err != nil {
			return fmt.Errorf("encode the answer of %s: %w", op.Name, err)
		}
	}
	for _, f := range op.output.fields {
		m := v.Field(f.index)
		switch f.place {
		case inPayload:
			body = m.Bytes()
		case inHeader:
			if !m.IsNil() {
				w.Header().Set(f.name, fmt.Sprint(m.Elem().Interface()))
			}
		}
	}
	if op.status == http.StatusNoContent {
		w.Header().Del("Content-Type")
		w.WriteHeader(op.status)
		return nil
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(op.status)
	_, _ = w.Write(body) // an error means that the client is gone
	return nil
}

// maxMessage bounds the message of an error, in bytes.
const maxMessage = 256

// WriteError writes the error document of REST-JSON services.
func (h *Handler) WriteError(w http.ResponseWriter, _ string, e *origami.Error) {
	code := e.Code
	if code == origami.CodeInternalError || code == origami.CodeInsufficientVolumeCapacity {
		code = codeInternal
	}
	status, ok := statuses[code]
	if !ok {
		status = code.Status()
	}
	message := e.Message
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-3], "") + "..."
	}
	body, err := json.Marshal(struct {
		Message string         `json:"Message"`
		Reason  origami.Reason `json:"Reason,omitempty"`
	}{message, e.Reason})
	if err != nil {
		body = []byte("{}") // strings never fail
	}
	w.Header().Set("X-Amzn-ErrorType", string(code))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Time is a time on the wire: seconds since 1970.
type Time time.Time

// MarshalJSON writes the seconds, with thousandths.
func (t Time) MarshalJSON() ([]byte, error) {
	ms := time.Time(t).UnixMilli()
	return fmt.Appendf(nil, "%d.%03d", ms/1000, ms%1000), nil
}

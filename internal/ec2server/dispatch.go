package ec2server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"origami"
	"origami/internal/awsquery"
	"origami/internal/ec2api"
	"origami/internal/iam"
)

// Options configure a Handler. The zero value allows every caller everything.
type Options struct {
	// Authorize reports whether a caller may perform an action, such as
	// "ec2:CopyImage", on resources. Its error is for the caller to see if it
	// is an *origami.Error; UnauthorizedOperation is the usual one. Nil allows
	// all. The root of an account is asked about without resources.
	Authorize func(ctx context.Context, who origami.Caller, action string, resources ...iam.Resource) error

	// Parameters lists the supported parameters of each operation in the
	// notation of awsquery.ParseSupport. Nil means the package's own table.
	Parameters map[string]string
}

// Handler serves EC2 to authenticated callers. It is safe for concurrent use.
type Handler struct {
	server    ec2api.Server
	authorize func(ctx context.Context, who origami.Caller, action string, resources ...iam.Resource) error
	support   map[string]awsquery.Support
	declared  map[string]declaration // what operations are about
}

// New makes a handler that calls s. It panics if the table of parameters
// names an operation or a parameter that does not exist, or lacks an
// operation that is served; the table of resources likewise.
func New(s ec2api.Server, o Options) *Handler {
	h := &Handler{server: s, authorize: o.Authorize, support: make(map[string]awsquery.Support), declared: make(map[string]declaration)}
	table := o.Parameters
	if table == nil {
		table = parameters
	}
	for name, patterns := range table {
		op, ok := ec2api.Operations[name]
		if !ok {
			panic("ec2server: parameters of " + name + ", which is not served")
		}
		if op.HasDryRun {
			patterns += " DryRun"
		}
		if op.Paged() {
			patterns += " MaxResults NextToken"
		}
		support, err := awsquery.EC2.ParseSupport(patterns, op.NewInput())
		if err != nil {
			panic(fmt.Sprintf("ec2server: parameters of %s: %v", name, err))
		}
		h.support[name] = support
	}
	for name, op := range ec2api.Operations {
		if _, ok := h.support[name]; !ok {
			panic("ec2server: no parameters of " + name)
		}
		text, ok := resources[name]
		if !ok {
			panic("ec2server: no resources of " + name)
		}
		var err error
		if h.declared[name], err = parseResources(text, op.NewInput()); err != nil {
			panic(fmt.Sprintf("ec2server: resources of %s: %v", name, err))
		}
	}
	return h
}

// ServeAWS answers a request whose signature is verified. When it returns an
// error it has written nothing, and the error is for WriteError.
func (h *Handler) ServeAWS(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	form, err := awsquery.ParseRequest(r)
	if err != nil {
		return wireError(err)
	}
	op, err := findOperation(form)
	if err != nil {
		return err
	}
	in := op.NewInput()
	params, err := awsquery.EC2.Decode(form, in, ec2api.Enums)
	if err != nil {
		return wireError(err)
	}
	if err := h.checkSupport(op.Name, params); err != nil {
		return err
	}
	if err := checkSteering(op, in); err != nil {
		return err
	}
	if err := h.permit(r.Context(), who, op, in); err != nil {
		return err
	}
	if op.HasDryRun && boolMember(in, "DryRun") {
		return origami.Errorf(origami.CodeDryRunOperation, "Request would have succeeded, but DryRun flag is set.")
	}
	out, err := op.Call(r.Context(), h.server, who, in)
	if err != nil {
		return err
	}
	if out == nil {
		return fmt.Errorf("%s returned neither output nor error", op.Name)
	}
	w.Header().Set("Content-Type", awsquery.ContentType)
	// An error of the writer means that the client is gone.
	_ = awsquery.EC2.Encode(w, awsquery.Response{
		Operation: op.Name, Namespace: ec2api.Namespace, RequestID: who.Request, Body: out,
	})
	return nil
}

// maxMessage bounds the message of an error, in bytes: messages quote what the
// request said, and that may be long. Those of denials have a sealed part that
// iam bounds.
const (
	maxMessage = 1024
	maxDenial  = 16 << 10
)

// WriteError writes the error document of EC2.
func (h *Handler) WriteError(w http.ResponseWriter, request string, e *origami.Error) {
	w.Header().Set("Content-Type", awsquery.ContentType)
	w.WriteHeader(e.Status())
	message := e.Message
	longest := maxMessage
	if e.Code == origami.CodeUnauthorizedOperation {
		longest = maxDenial
	}
	if len(message) > longest {
		message = strings.ToValidUTF8(message[:longest], "") + "..."
	}
	// An error of the writer means that the client is gone.
	_ = awsquery.EC2.EncodeError(w, awsquery.ErrorResponse{
		Code: string(e.Code), Message: message, RequestID: request,
	})
}

// checkSupport refuses a parameter that EC2 has and nothing here acts upon.
func (h *Handler) checkSupport(operation string, params []awsquery.Param) error {
	p, value, refused := h.support[operation].Refuse(params)
	if !refused {
		return nil
	}
	if value {
		return origami.Errorf(origami.CodeUnsupportedOperation,
			"The value '%.128s' of the parameter %s is not supported by this service.", p.Value, p.Path)
	}
	return origami.Errorf(origami.CodeUnsupportedOperation, "The parameter %s is not supported by this service.", p.Path)
}

// checkSteering validates the parameters that steer a request of any
// operation: MaxResults and ClientToken.
func checkSteering(op *ec2api.Operation, in any) error {
	if v := member(in, "MaxResults"); op.Paged() && v.IsValid() {
		n := int32(v.Int())
		if n < op.MinResults {
			return origami.Errorf(origami.CodeInvalidParameterValue,
				"Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than %d.", n, op.MinResults) // EC2 says so, and takes that one too
		}
		if n > op.MaxResults {
			return origami.Errorf(origami.CodeInvalidParameterValue,
				"Value ( %d ) for parameter maxResults is invalid. Expecting a value less than or equal to %d.", n, op.MaxResults)
		}
	}
	if v := member(in, "ClientToken"); op.MaxToken > 0 && v.IsValid() {
		return checkToken(v.String(), op.MaxToken)
	}
	return nil
}

// checkToken checks a ClientToken: ASCII, and not too long.
func checkToken(token string, longest int) error {
	if len(token) > longest {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%.128s) for parameter clientToken is invalid. Length exceeds maximum of %d.", token, longest)
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) {
		return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter clientToken is invalid. It must be ASCII.", token)
	}
	return nil
}

// wireError gives an error of the codec its place in our vocabulary.
func wireError(err error) error {
	var e *awsquery.Error
	if errors.As(err, &e) {
		return &origami.Error{Code: origami.Code(e.Code), Message: e.Message}
	}
	return err
}

// member returns the value of an input's scalar member, or the zero Value if
// it is absent or the input has no such member.
func member(in any, name string) reflect.Value {
	f := reflect.ValueOf(in).Elem().FieldByName(name)
	if !f.IsValid() || f.IsNil() {
		return reflect.Value{}
	}
	return f.Elem()
}

func boolMember(in any, name string) bool {
	v := member(in, name)
	return v.IsValid() && v.Bool()
}

package localserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"origami"
	"origami/internal/iam"
	"origami/internal/kms"
)

// OperatorPath begins the paths of what the operator asks for: the action
// follows. Such a request is not signed: the user at the other end of the
// socket is who runs the service, or root, as the system says.
const OperatorPath = "/operator/"

// Operator does what whoever runs an installation asks for about its accounts
// and its root key. The service does it for commands at its socket; a command
// that finds no service running does it itself.
type Operator struct {
	Accounts *iam.Service
	Keys     func(context.Context) (*kms.Service, error) // asked when it is needed

	// Audit, if not nil, hears of every call before its answer goes out. If it
	// fails the answer does not.
	Audit func(OperatorCall) error
}

// OperatorCall is a call of the operator and its outcome.
type OperatorCall struct {
	Request   string // its ID
	Start     time.Time
	Source    string // "@uid=…,pid=…", as Peer
	Principal string // "operator:NAME", of the user of that number
	Action    string
	Account   origami.AccountID // that it is about, or ""
	Resources []string
	Code      origami.Code // of the error answered, or ""
}

// Status is the status of HTTP that belongs to the outcome.
func (c *OperatorCall) Status() int {
	if c.Code == "" {
		return http.StatusOK
	}
	return c.Code.Status()
}

// note adds what a call is about.
func (c *OperatorCall) note(account origami.AccountID, resources ...string) {
	if len(account) <= len("123456789012") {
		c.Account = account
	}
	c.Resources = append(c.Resources, resources...)
}

// action decodes the document of a call, and does it.
type action func(ctx context.Context, o *Operator, in []byte, call *OperatorCall) (any, error)

// act is the action of f.
func act[In any](f func(context.Context, *Operator, In, *OperatorCall) (any, error)) action {
	return func(ctx context.Context, o *Operator, in []byte, call *OperatorCall) (any, error) {
		var decoded In
		d := json.NewDecoder(bytes.NewReader(in))
		d.DisallowUnknownFields()
		if err := d.Decode(&decoded); err != nil {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The request is no valid JSON: %v", err)
		}
		return f(ctx, o, decoded, call)
	}
}

// Do does what the process named by source asks for: in is the JSON document of
// the action, and the answer is to be one. An error that is no *origami.Error
// is for the operator to read as well.
func (o *Operator) Do(ctx context.Context, name string, in []byte, source string) (any, error) {
	call := OperatorCall{
		Request: uuid.NewString(), Start: time.Now(), Source: source, Principal: principal(source), Action: name, Resources: []string{},
	}
	out, err := o.do(ctx, name, in, &call)
	var refused *origami.Error
	switch {
	case errors.As(err, &refused):
		call.Code = refused.Code
	case err != nil:
		call.Code = origami.CodeInternalError
	}
	if o.Audit != nil {
		if auditErr := o.Audit(call); auditErr != nil {
			return nil, fmt.Errorf("%s may be done, and could not be written to the audit log: %w", name, errors.Join(auditErr, err))
		}
	}
	return out, err
}

func (o *Operator) do(ctx context.Context, name string, in []byte, call *OperatorCall) (any, error) {
	f := actions[name]
	if f == nil {
		call.Action = "other"
		return nil, origami.Errorf(origami.CodeInvalidAction, "The operator has no action %.64q. The command and the service may be of different versions.", name)
	}
	return f(ctx, o, in, call)
}

// principal names the user of a process.
func principal(source string) string {
	uid, ok := uidOf(source)
	if !ok {
		return "operator"
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return "operator:" + u.Username
	}
	return "operator:" + strconv.Itoa(uid)
}

// uidOf is the user of a process, if it is known.
func uidOf(source string) (uid int, ok bool) {
	var pid int
	n, err := fmt.Sscanf(source, "@uid=%d,pid=%d", &uid, &pid)
	return uid, err == nil && n == 2
}

// mayOperate reports whether a process may ask a service of that user for what the
// operator may. Where the system does not tell whose it is, the mode of the
// socket has kept others out.
func mayOperate(source string, self int) bool {
	uid, ok := uidOf(source)
	return !ok || uid == 0 || uid == self
}

// Self is this process as Peer names others.
func Self() string { return fmt.Sprintf("@uid=%d,pid=%d", os.Getuid(), os.Getpid()) }

// maxOperator bounds the document of a call, in bytes.
const maxOperator = 1 << 20

// ServeHTTP answers POST /operator/ACTION of the user of this process.
func (o *Operator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := o.serve(w, r)
	w.Header().Set("Content-Type", "application/json")
	// An error of the writer means that the client is gone.
	if err == nil {
		_ = json.NewEncoder(w).Encode(out)
		return
	}
	e := &origami.Error{Code: origami.CodeInternalError, Message: err.Error()}
	errors.As(err, &e)
	w.WriteHeader(e.Status())
	_ = json.NewEncoder(w).Encode(Message{Error: &Error{Code: e.Code, Message: e.Message}})
}

func (o *Operator) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	source := Peer(r.Context())
	if !mayOperate(source, os.Geteuid()) {
		return nil, origami.Errorf(origami.CodeUnauthorizedOperation, "Only the user who runs the service may ask for this.")
	}
	if r.Method != http.MethodPost {
		return nil, origami.Errorf(origami.CodeInvalidAction, "The operator's requests are POST.")
	}
	var in bytes.Buffer
	if _, err := in.ReadFrom(http.MaxBytesReader(w, r.Body, maxOperator)); err != nil {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The request cannot be read: %v", err)
	}
	// What was begun is brought to its end, and to the audit log, even if the
	// client goes.
	return o.Do(context.WithoutCancel(r.Context()), strings.TrimPrefix(r.URL.Path, OperatorPath), in.Bytes(), source)
}

// Operate has the service that runs do what the operator asks for. The answer is
// decoded into out, unless that is nil.
func (c *Client) Operate(ctx context.Context, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://origami"+OperatorPath+action, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.send(req, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

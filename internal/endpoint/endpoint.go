package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"origami"
	"origami/internal/sigv4"
)

// MaxBody is the largest request body in bytes. The largest that a service
// asks for is a block of 512 KiB; objects of S3 do not come through this door.
const MaxBody = 2 << 20

// Service is the door of one AWS service. Its methods may be called
// concurrently.
type Service interface {
	// ServeAWS answers a request of a verified caller. The body is in memory,
	// and may be used until ServeAWS returns; the query is without a presigned
	// signature. When it returns an error it has written nothing; an
	// *origami.Error goes to the caller by WriteError, any other is an
	// internal one.
	ServeAWS(w http.ResponseWriter, r *http.Request, who origami.Caller) error

	// WriteError writes an error document in the service's dialect, with the
	// status of its code.
	WriteError(w http.ResponseWriter, request string, err *origami.Error)
}

// Namer is a Service whose requests name their operation by method and path.
type Namer interface {
	// Action is the name of the operation, "" if there is none.
	Action(r *http.Request) string
}

// Credential is what is known about an access key.
type Credential struct {
	Secret  string
	Account origami.AccountID
	ARN     string // of the principal
	UserID  string // unique ID of the principal
}

// Config is what a front door is built of. Credentials, Regions, Services and
// Logger must be set.
type Config struct {
	// Credentials finds an access key and checks that the session token,
	// empty if there is none, belongs to it. Its errors are those that
	// sigv4.Verifier knows: sigv4.ErrUnknownKey and its kin; any other is an
	// internal one.
	Credentials func(ctx context.Context, accessKeyID, token string) (Credential, error)

	Regions  []origami.Region
	Services map[string]Service // by signing name: "ec2"

	// Default names the service whose dialect answers requests that name no
	// service of ours. It is one of Services; "" means "ec2".
	Default string

	Clock  func() time.Time // nil means time.Now
	Logger *slog.Logger

	// Observe, if not nil, hears of every request when it has been answered.
	Observe func(Call)

	// Audit, if not nil, hears of every verified request before its answer
	// goes out. If it fails the answer does not: the client gets an internal
	// error, since what is not in the audit must not look as if it were.
	Audit func(Call) error
}

// Handler is the front door.
type Handler struct {
	c        Config
	fallback Service
}

// New builds a front door. It panics if the default service is missing.
func New(c Config) *Handler {
	if c.Default == "" {
		c.Default = "ec2"
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	fallback, ok := c.Services[c.Default]
	if !ok {
		panic("endpoint: no service " + c.Default)
	}
	return &Handler{c, fallback}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{
		h: h, r: r, w: recorder{ResponseWriter: w}, start: h.c.Clock(),
		who: origami.Caller{Request: uuid.NewString()}, service: h.fallback,
	}
	x.w.audit = x.audit
	x.w.Header().Set("X-Amzn-Requestid", x.who.Request)
	defer func() { keepBody(x.body) }() // the audit looks at it, too
	defer x.log()
	defer x.fence()
	if err := x.serve(); err != nil {
		x.fail(err)
	} else if x.w.status == 0 {
		x.w.WriteHeader(http.StatusOK)
	}
	x.finish()
}

// finish sends what has not gone out yet.
func (x *exchange) finish() {
	if x.w.release(nil) != nil {
		x.unaudited()
	}
}

// unaudited answers a request that could not be audited, of which nothing has
// gone out.
func (x *exchange) unaudited() {
	err := x.w.refused
	x.w.refused, x.w.status = nil, 0
	for name := range x.w.Header() {
		if name != "X-Amzn-Requestid" {
			x.w.Header().Del(name)
		}
	}
	x.fail(err)
	_ = x.w.release(nil) // there is no audit left that could fail
}

// exchange is one request on its way through the door.
type exchange struct {
	h       *Handler
	r       *http.Request
	w       recorder
	start   time.Time
	who     origami.Caller
	name    string // of the service, as the request claims
	service Service
	action  string
	body    []byte       // read, and bounded
	code    origami.Code // of the error answered
	err     error        // internal error, for the log
}

func (x *exchange) serve() error {
	if err := x.checkProtocol(); err != nil {
		return err
	}
	body, err := x.readBody()
	if err != nil {
		return bodyError(err)
	}
	x.action, x.body = nameAction(x.r, actionOf(x.r, body.bytes)), body.bytes
	if err := x.authenticate(body); err != nil {
		return err
	}
	x.r.Body = memory{bytes.NewReader(body.bytes), body}
	x.r.ContentLength = int64(len(body.bytes))
	x.r.URL.RawQuery = withoutSignature(x.r.URL.RawQuery)
	return x.service.ServeAWS(&x.w, x.r, x.who)
}

// checkProtocol refuses what is no request of an API, with words that help
// somebody who came with a browser or an old client.
func (x *exchange) checkProtocol() error {
	r := x.r
	if r.Header.Get("Soapaction") != "" || strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") ||
		strings.HasPrefix(r.Header.Get("Content-Type"), "application/soap+xml") {
		return origami.Errorf("UnsupportedProtocol", "SOAP is not supported. Use the Query API.")
	}
	if r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.RawQuery == "" && r.Header.Get("Authorization") == "" {
		return origami.Errorf("MissingAuthenticationToken", "Request is missing Authentication Token. This address serves the AWS API: "+
			"give it to an AWS client as its endpoint URL, with an access key of this installation.")
	}
	return nil
}

// globalRegion is what clients sign for when a service has no regions; globals
// are those services.
const globalRegion = "us-east-1"

var globals = []string{"iam", "sts"}

// authenticate verifies the signature, and from what was signed makes the
// caller and finds the service.
func (x *exchange) authenticate(b body) error {
	var found Credential
	v := sigv4.Verifier{
		Secret: func(ctx context.Context, id, token string) (string, error) {
			var err error
			found, err = x.h.c.Credentials(ctx, id, token)
			return found.Secret, err
		},
		Region: func(service, name string) bool {
			return slices.Contains(x.h.c.Regions, origami.Region(name)) || name == globalRegion && slices.Contains(globals, service)
		},
		Service: func(name string) bool { return x.h.c.Services[name] != nil },
		Clock:   x.h.c.Clock,
	}
	id, err := v.Verify(x.r, b.sum)
	x.name = id.Scope.Service
	if s := x.h.c.Services[x.name]; s != nil {
		x.service = s
	}
	if n, ok := x.service.(Namer); ok {
		x.action = n.Action(x.r)
	}
	x.who.AccessKey = id.AccessKeyID
	x.who.Region = origami.Region(id.Scope.Region)
	if err != nil {
		var refused *sigv4.Error
		if errors.As(err, &refused) {
			e := origami.Errorf(origami.Code(refused.Code), "%s", refused.Message)
			if e.Code == origami.CodeAuthFailure {
				e.Reason = origami.ReasonCredentials
			}
			return e
		}
		return err
	}
	x.who.Account, x.who.ARN, x.who.UserID = found.Account, found.ARN, found.UserID
	x.who.Secure, x.who.Agent = x.r.TLS != nil, x.r.UserAgent()
	if a, err := netip.ParseAddrPort(x.r.RemoteAddr); err == nil {
		x.who.Address = a.Addr().Unmap().String()
	}
	return nil
}

// fail answers with an error document.
func (x *exchange) fail(err error) {
	var e *origami.Error
	if x.r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		e = origami.Errorf(origami.CodeServiceUnavailable, "The client closed the connection.")
	} else if full := origami.Full(err); full != nil && !errors.As(err, &e) {
		x.err, e = err, full
	} else if !errors.As(err, &e) {
		x.err = err
		e = origami.Errorf(origami.CodeInternalError, "An internal error has occurred")
	} else if e.Err != nil {
		x.err = e.Err
	}
	x.code = e.Code
	if x.w.refused != nil {
		return // nothing is out, and finish answers
	}
	if x.w.status != 0 {
		// Part of an answer is out; the client must not take it for a whole.
		panic(http.ErrAbortHandler)
	}
	x.service.WriteError(&x.w, x.who.Request, e)
}

// fence turns a panic of a door into an internal error. One that aborts the
// connection goes on.
func (x *exchange) fence() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	x.fail(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	x.finish()
}

// log writes the access log, one line for each request.
func (x *exchange) log() {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request", x.who.Request),
		slog.String("remote", x.r.RemoteAddr),
		slog.String("method", x.r.Method),
		slog.String("service", x.name),
		slog.String("region", string(x.who.Region)),
		slog.String("action", x.action),
		slog.String("account", string(x.who.Account)),
		slog.String("key", x.who.AccessKey),
		slog.Int("status", x.w.status),
		slog.String("code", string(x.code)),
		slog.Int64("bytes", x.w.bytes),
		slog.Duration("duration", x.h.c.Clock().Sub(x.start)),
		slog.String("agent", x.r.UserAgent()),
	}
	if x.err != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.Any("error", x.err))
	}
	x.h.c.Logger.LogAttrs(x.r.Context(), level, "request", attrs...)
	if x.h.c.Observe != nil {
		x.h.c.Observe(x.call())
	}
}

// Package imds is the instance metadata service: what an instance reads at
// http://169.254.169.254 about itself, versions 1 and 2.
//
// A [Server] serves one network and knows an instance by the address of its
// connection, which the network has made sure of. With version 2, the instance
// first asks for a token by PUT, which neither an open proxy nor a forged GET
// on the instance's behalf can do, and shows it with every request:
//
//	PUT /latest/api/token             X-aws-ec2-metadata-token-ttl-seconds: 21600
//	GET /latest/meta-data/instance-id X-aws-ec2-metadata-token: AQ…
//
// The metadata is a tree of short texts. A request for a leaf answers its text,
// one for a directory the names in it, one a line; names with something below
// end in a slash, so that a client can walk the whole tree. Every date that EC2
// has ever used as a version of the tree is accepted as one, and has the same
// tree below it.
package imds

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNotFound is returned by a [Source] that knows no instance at an address.
var ErrNotFound = errors.New("no instance has this address")

// Source finds out what there is to tell.
type Source interface {
	// Instance returns the instance that has the private address in the
	// network that the server serves, or an error that wraps [ErrNotFound].
	// It is called for every request.
	Instance(ctx context.Context, addr netip.Addr) (*Instance, error)
}

// Config is what a [Server] needs. Only Source is required.
type Config struct {
	Source Source

	// TokenKey authenticates tokens, in at least 32 bytes. Tokens survive a
	// restart when it does; nil means a random one.
	TokenKey []byte

	// Signer signs identity documents. Without one there are no signatures.
	Signer *Signer

	Logger *slog.Logger // default: silence
}

// Server serves the metadata of the instances of one network. It implements
// [http.Handler].
type Server struct {
	source Source
	tokens tokens
	signer *Signer
	log    *slog.Logger
}

// New returns a server.
func New(c Config) (*Server, error) {
	if c.Source == nil {
		return nil, errors.New("metadata service: no source")
	}
	if c.TokenKey == nil {
		c.TokenKey = make([]byte, 32)
		rand.Read(c.TokenKey)
	}
	if len(c.TokenKey) < 32 {
		return nil, fmt.Errorf("metadata service: token key has %d bytes, fewer than 32", len(c.TokenKey))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{c.Source, tokens{slices.Clone(c.TokenKey)}, c.Signer, c.Logger}, nil
}

// Serve answers the connections of a listener until the context ends or the
// listener fails. The time and size of every request are bounded.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ConnContext:       connContext,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	err := srv.Serve(ln)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("metadata service: %w", err)
}

const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	maxTTL      = 21600 // seconds: six hours
)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	inst, err := s.caller(r)
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			fail(w, http.StatusNotFound)
			return
		}
		s.log.Error("metadata service", "remote", r.RemoteAddr, "error", err)
		fail(w, http.StatusInternalServerError)
		return
	}
	status := http.StatusForbidden
	if inst.Metadata.Endpoint == "enabled" {
		status = s.serve(w, r, inst)
	}
	if status != http.StatusOK {
		fail(w, status)
	}
	s.log.Debug("metadata request", "instance", inst.ID, "method", r.Method, "path", r.URL.Path, "status", status)
}

// caller finds out who asks.
func (s *Server) caller(r *http.Request) (*Instance, error) {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return nil, fmt.Errorf("parse the remote address: %w", err)
	}
	return s.source.Instance(r.Context(), remote.Addr().Unmap())
}

// serve answers a request, or returns the status to fail with.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, inst *Instance) int {
	path := strings.FieldsFunc(r.URL.Path, func(c rune) bool { return c == '/' })
	isToken := len(path) == 3 && path[1] == "api" && path[2] == "token" && isVersion(path[0])
	switch {
	case isToken && r.Method == http.MethodPut:
		return s.token(w, r, inst, path[0])
	case isToken && path[0] == latest, r.Method != http.MethodGet && r.Method != http.MethodHead:
		return http.StatusMethodNotAllowed
	}
	shown, hasToken := r.Header[tokenHeader]
	if hasToken && !s.tokens.valid(shown[0], inst.ID) || !hasToken && inst.Metadata.Tokens != "optional" {
		return http.StatusUnauthorized
	}
	inst.delivery = "1.0"
	if hasToken {
		inst.delivery = "2.0"
	}
	return s.get(w, inst, path)
}

// token answers a request for a token.
func (s *Server) token(w http.ResponseWriter, r *http.Request, inst *Instance, version string) int {
	if _, forwarded := r.Header["X-Forwarded-For"]; forwarded || version != latest {
		return http.StatusForbidden
	}
	ttl, err := strconv.ParseUint(r.Header.Get(ttlHeader), 10, 32)
	if err != nil || ttl < 1 || ttl > maxTTL {
		return http.StatusBadRequest
	}
	if err := limitHops(r.Context(), inst.Metadata.HopLimit); err != nil {
		s.log.Error("metadata service: hop limit", "instance", inst.ID, "error", err)
		return http.StatusInternalServerError
	}
	w.Header().Set(ttlHeader, strconv.FormatUint(ttl, 10))
	answer(w, "text/plain", []byte(s.tokens.issue(inst.ID, time.Duration(ttl)*time.Second)))
	return http.StatusOK
}

// get answers a request for a place in the tree.
func (s *Server) get(w http.ResponseWriter, inst *Instance, path []string) int {
	if len(path) == 0 {
		answer(w, "text/plain", []byte(strings.Join(versions, "\n")))
		return http.StatusOK
	}
	if !isVersion(path[0]) {
		return http.StatusNotFound
	}
	if len(path) == 2 && path[1] == "user-data" && len(inst.UserData) > 0 {
		answer(w, "application/octet-stream", inst.UserData)
		return http.StatusOK
	}
	root, err := s.tree(inst, path)
	if err != nil {
		s.log.Error("metadata service", "instance", inst.ID, "error", err)
		return http.StatusInternalServerError
	}
	n := root.find(path[1:])
	if n == nil {
		return http.StatusNotFound
	}
	answer(w, "text/plain", []byte(n.String()))
	return http.StatusOK
}

func answer(w http.ResponseWriter, contentType string, b []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.Write(b)
}

// fail answers with the page that the service has for errors.
func fail(w http.ResponseWriter, status int) {
	title := fmt.Sprintf("%d - %s", status, http.StatusText(status))
	w.Header().Set("Content-Type", "text/html")
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, HEAD, PUT")
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=\"en\"><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", title, title)
}

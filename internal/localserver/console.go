package localserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"time"

	"origami"
	"origami/internal/vnet"
)

// Instances are the verbs of instances that this door needs:
// internal/instance.
type Instances interface {
	FollowConsole(ctx context.Context, who origami.Caller, id origami.InstanceID) (io.ReadCloser, error)
	AtRest(ctx context.Context, who origami.Caller, id origami.InstanceID) (bool, error)
	Bindings(ctx context.Context, who origami.Caller) (map[origami.InstanceID][]vnet.Binding, error)
}

// ConsoleRequest asks for the output of an instance's serial console.
type ConsoleRequest struct {
	Instance origami.InstanceID `json:"instanceId"`
	// Follow goes on until the instance stops.
	Follow bool `json:"follow,omitempty"`
}

// consoleEvery is how often a followed console is looked at.
const consoleEvery = 50 * time.Millisecond

// console answers POST /console.
func (h *Handler) console(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	var in ConsoleRequest
	if err := decode(r, &in); err != nil {
		return err
	}
	c, err := h.Instances.FollowConsole(r.Context(), who, in.Instance)
	if err != nil {
		return err
	}
	defer c.Close()
	out := &consoleStream{w: w, flush: http.NewResponseController(w), buf: make([]byte, 64<<10)}
	tick := time.NewTicker(consoleEvery)
	defer tick.Stop()
	for {
		// Whoever is at rest before its console is read has said all.
		rest, err := h.Instances.AtRest(r.Context(), who, in.Instance)
		if errors.Is(err, &origami.Error{Code: origami.CodeInvalidInstanceIDNotFound}) {
			rest, err = true, nil // its record is gone since it was looked up
		}
		if err == nil {
			err = out.copy(c)
		}
		if err != nil || rest || !in.Follow {
			return err
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return nil // the client has gone, or the service stops
		}
	}
}

// consoleStream is the answer with the console's output.
type consoleStream struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	buf   []byte
	begun bool
}

// copy sends all that can be read now.
func (s *consoleStream) copy(c io.Reader) error {
	s.begin()
	for {
		n, err := c.Read(s.buf)
		if n > 0 {
			if _, err := s.w.Write(s.buf[:n]); err != nil {
				return err
			}
			if err := s.flush.Flush(); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// begin sends the head of the answer, so that the client knows at once that
// the console is open.
func (s *consoleStream) begin() {
	if s.begun {
		return
	}
	s.begun = true
	s.w.Header().Set("Content-Type", "application/octet-stream")
	s.w.WriteHeader(http.StatusOK)
	_ = s.flush.Flush() // an error means that the client is gone
}

// Address is where a port of an instance is served on this host.
type Address struct {
	Port   uint16         `json:"port"`   // of the instance
	Listen netip.AddrPort `json:"listen"` // where to connect
}

// Addresses are those of the caller's instances.
type Addresses struct {
	Instances map[origami.InstanceID][]Address `json:"instances"`
}

// addresses answers POST /addresses.
func (h *Handler) addresses(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	found, err := h.Instances.Bindings(r.Context(), who)
	if err != nil {
		return err
	}
	out := Addresses{Instances: make(map[origami.InstanceID][]Address, len(found))}
	for id, bindings := range found {
		for _, b := range bindings {
			out.Instances[id] = append(out.Instances[id], Address(b))
		}
	}
	return answer(w, out)
}

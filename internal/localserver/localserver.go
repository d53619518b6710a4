// Package localserver is the door of this program's own commands: what a client
// on the same machine, and of the same user, can have and AWS's API does not
// offer.
//
// The client connects to a UNIX socket in the data directory and sends
// requests like any other, signed by Signature Version 4 for the service
// "origami".
//
// POST /import, with an [ImportRequest] in JSON, makes an image of an open file
// of the client, without a copy through HTTP or S3. With the first byte the
// client passes the file's descriptor (SCM_RIGHTS). The service reads what the
// client could open, and nothing else: no path ever crosses the socket. The
// answer is a stream of JSON documents, one a line, each a [Message]: progress
// while the import goes on, and at the end the image or an error.
//
// POST /usage answers with a [Usage] in JSON: what the caller's volumes have
// read, and what the store holds. POST /holdings answers with [Holdings]: what the
// caller's images and snapshots hold in the store. POST /deleting, with a
// [DeletingRequest], answers with a [Deletion]: what deleting some of them would
// free. POST /addresses answers with [Addresses]: where the ports of instances
// are served.
//
// POST /console, with a [ConsoleRequest], answers with the output of an
// instance's serial console, byte for byte as it comes.
//
// POST /mount, with a [MountRequest] and the descriptor of a listening UNIX
// socket, serves a snapshot on that socket over NBD until the client closes the
// connection. The answer begins with [Mounted] when that works, and ends when
// the service does.
//
// POST /operator/ACTION is for the [Operator], and not signed: it is from the user
// who runs the service, whom the system names.
package localserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"origami"
	"origami/internal/vmie"
)

// Service is the signing name of requests to this door.
const Service = "origami"

// The paths of requests.
const (
	ImportPath    = "/import"
	UsagePath     = "/usage"
	HoldingsPath  = "/holdings"
	DeletingPath  = "/deleting"
	AddressesPath = "/addresses"
	ConsolePath   = "/console"
	MountPath     = "/mount"
)

// Known reports whether there is a request of this path, given without the
// slash.
func Known(name string) bool {
	switch "/" + name {
	case ImportPath, UsagePath, HoldingsPath, DeletingPath, AddressesPath, ConsolePath, MountPath:
		return true
	}
	return false
}

// progressEvery is how often progress is told.
const progressEvery = 100 * time.Millisecond

// ImportRequest asks for an image of the file that comes with it.
type ImportRequest struct {
	Name         string               `json:"name"`
	Description  string               `json:"description,omitempty"`
	Format       string               `json:"format,omitempty"` // "" to find out
	Architecture origami.Architecture `json:"architecture,omitempty"`
	Tags         origami.Tags         `json:"tags,omitempty"`
}

// Message is one line of the answer to an import. One field is set.
type Message struct {
	Progress *vmie.Progress `json:"progress,omitempty"`
	Image    *Image         `json:"image,omitempty"` // the import is done
	Error    *Error         `json:"error,omitempty"` // the import failed
}

// Image is what an import made.
type Image struct {
	ID       origami.ImageID    `json:"imageId"`
	Snapshot origami.SnapshotID `json:"snapshotId"`
	Name     string             `json:"name"`
	SizeGiB  int64              `json:"sizeGiB"`
}

// Error is an error of the API.
type Error struct {
	Code    origami.Code `json:"code"`
	Message string       `json:"message"`
	Request string       `json:"requestId"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%s)", e.Message, e.Code) }

// Importer makes images of disks: internal/vmie.
type Importer interface {
	ImportDisk(ctx context.Context, who origami.Caller, r vmie.Request, src io.ReaderAt, size int64, progress func(vmie.Progress)) (*origami.Image, error)
}

// Handler serves authenticated callers, behind the front door.
type Handler struct {
	Importer   Importer
	Usage      func(ctx context.Context, who origami.Caller) (Usage, error)
	Accountant Accountant
	Instances  Instances
	Snapshots  Snapshots
	Log        *slog.Logger // of NBD clients; nobody's if nil
}

// ServeAWS answers a request whose signature is verified.
func (h *Handler) ServeAWS(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	if r.Method == http.MethodPost {
		switch r.URL.Path {
		case ImportPath:
			return h.importDisk(w, r, who)
		case UsagePath:
			return h.usage(w, r, who)
		case HoldingsPath:
			return h.holdings(w, r, who)
		case DeletingPath:
			return h.deleting(w, r, who)
		case AddressesPath:
			return h.addresses(w, r, who)
		case ConsolePath:
			return h.console(w, r, who)
		case MountPath:
			return h.mount(w, r, who)
		}
	}
	return origami.Errorf(origami.CodeInvalidAction, "The local door has no request %s %s.", r.Method, r.URL.Path)
}

// importDisk makes an image of the file that came with a request.
func (h *Handler) importDisk(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	var in ImportRequest
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return origami.Errorf(origami.CodeInvalidParameterValue, "The request is no valid JSON: %v", err)
	}
	if err := in.Tags.Validate(); err != nil {
		return err
	}
	f, err := passedFile(r.Context())
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := fileSize(f)
	if err != nil {
		return err
	}
	out := &stream{w: w, flush: http.NewResponseController(w)}
	img, err := h.Importer.ImportDisk(r.Context(), who, vmie.Request(in), f, size, out.progress)
	var refused *origami.Error
	if full := origami.Full(err); full != nil {
		err = full
	}
	switch {
	case err == nil:
		root := img.Root()
		out.send(Message{Image: &Image{ID: img.ID, Snapshot: root.EBS.Snapshot, Name: img.Name, SizeGiB: root.EBS.VolumeSize}})
		return nil
	case !out.begun:
		return err
	case errors.As(err, &refused):
		out.send(Message{Error: &Error{refused.Code, refused.Message, who.Request}})
		return refused.Err
	}
	out.send(Message{Error: &Error{origami.CodeInternalError, "The import failed. The service's log says why.", who.Request}})
	return err
}

// fileSize is the length of a regular file or block device.
func fileSize(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("stat the file to import: %w", err)
	}
	if m := info.Mode(); !m.IsRegular() && m.Type()&(os.ModeDevice|os.ModeCharDevice) != os.ModeDevice {
		return 0, origami.Errorf(origami.CodeInvalidParameterValue, "Only regular files and block devices can be imported.")
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("find the size of the file to import: %w", err)
	}
	return size, nil
}

// WriteError writes an error that comes before the stream.
func (h *Handler) WriteError(w http.ResponseWriter, request string, e *origami.Error) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(e.Status())
	// An error of the writer means that the client is gone.
	_ = json.NewEncoder(w).Encode(Message{Error: &Error{e.Code, e.Message, request}})
}

// stream writes the messages of one answer.
type stream struct {
	w     http.ResponseWriter
	flush *http.ResponseController

	mu    sync.Mutex // guards the following
	begun bool
	last  time.Time
}

// progress tells how far the import is, not too often.
func (s *stream) progress(p vmie.Progress) {
	s.mu.Lock()
	now := time.Now()
	due := now.Sub(s.last) >= progressEvery || p.Done == p.Total
	if due {
		s.last = now
	}
	s.mu.Unlock()
	if due {
		s.send(Message{Progress: &p})
	}
}

// send writes one message. An error means that the client is gone, which ends
// the request's context as well.
func (s *stream) send(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "application/x-ndjson")
	}
	if json.NewEncoder(s.w).Encode(m) == nil {
		_ = s.flush.Flush()
	}
}

package localserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"origami"
	"origami/disk"
	"origami/nbd"
)

// Snapshots opens the disks of snapshots: internal/ebs.
type Snapshots interface {
	OpenSnapshot(ctx context.Context, who origami.Caller, id origami.SnapshotID) (disk.Image, error)
}

// MountRequest asks for a snapshot to be served over NBD.
type MountRequest struct {
	Snapshot origami.SnapshotID `json:"snapshotId"`
}

// Mounted is the first line of the answer: the snapshot is served from now on.
type Mounted struct {
	SizeBytes int64 `json:"sizeBytes"`
}

// mount answers POST /mount: it serves a snapshot, read-only, as the default
// export of the listening UNIX socket that came with the request, until the
// client goes. The client made the socket, so it decides who can connect.
func (h *Handler) mount(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	var in MountRequest
	if err := decode(r, &in); err != nil {
		return err
	}
	l, err := passedListener(r.Context())
	if err != nil {
		return err
	}
	defer l.Close()
	img, err := h.Snapshots.OpenSnapshot(r.Context(), who, in.Snapshot)
	if err != nil {
		return err
	}
	defer img.Close()
	server := &nbd.Server{Log: h.Log}
	defer server.Close()
	device := &readOnly{img}
	if _, err := server.Export("", device, nbd.ExportOptions{ReadOnly: true, Description: string(in.Snapshot)}); err != nil {
		return fmt.Errorf("export %s: %w", in.Snapshot, err)
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	if json.NewEncoder(w).Encode(Mounted{SizeBytes: img.Size()}) != nil || http.NewResponseController(w).Flush() != nil {
		return nil // the client is gone already
	}
	err = server.Serve(r.Context(), l)
	if r.Context().Err() != nil {
		return nil
	}
	return err
}

// passedListener takes the listening UNIX socket that came with a request.
func passedListener(ctx context.Context) (*net.UnixListener, error) {
	f, err := passedFile(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err == nil {
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // it is the client's
			return u, nil
		}
		l.Close()
	}
	return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The descriptor that came with the request is no listening UNIX socket.")
}

// readOnly shows a disk to NBD clients.
type readOnly struct{ disk.Image }

var (
	_ nbd.Device   = (*readOnly)(nil)
	_ nbd.Extenter = (*readOnly)(nil)
)

func (*readOnly) WriteAt([]byte, int64) (int, error) { return 0, syscall.EPERM }
func (*readOnly) Flush() error                       { return nil }

// Allocation implements [nbd.Extenter].
func (d *readOnly) Allocation(ctx context.Context, off, n int64, each func(length int64, zero bool) bool) error {
	for e, err := range d.Extents(ctx, off) {
		if err != nil {
			return err
		}
		if e.Off >= off+n || !each(e.Len, e.Zero) {
			return nil
		}
	}
	return nil
}

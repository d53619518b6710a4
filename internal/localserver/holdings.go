package localserver

import (
	"context"
	"encoding/json"
	"net/http"

	"origami"
	"origami/internal/ami"
)

// Accountant counts what images and snapshots hold: internal/ami.
type Accountant interface {
	Usage(ctx context.Context, who origami.Caller) (*ami.Usage, error)
	Deleting(ctx context.Context, who origami.Caller, images []origami.ImageID, snapshots []origami.SnapshotID) (*ami.Deletion, error)
}

// Holdings is what the caller's images and snapshots hold.
type Holdings = ami.Usage

// Deletion is what deleting images and snapshots would do.
type Deletion = ami.Deletion

// DeletingRequest asks what deleting would free, and deletes nothing.
type DeletingRequest struct {
	Images    []origami.ImageID    `json:"imageIds,omitempty"`
	Snapshots []origami.SnapshotID `json:"snapshotIds,omitempty"`
}

// holdings answers POST /holdings.
func (h *Handler) holdings(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	u, err := h.Accountant.Usage(r.Context(), who)
	if err != nil {
		return err
	}
	return answer(w, u)
}

// deleting answers POST /deleting.
func (h *Handler) deleting(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	var in DeletingRequest
	if err := decode(r, &in); err != nil {
		return err
	}
	d, err := h.Accountant.Deleting(r.Context(), who, in.Images, in.Snapshots)
	if err != nil {
		return err
	}
	return answer(w, d)
}

// decode reads the document of a request, whose size the front door bounds.
func decode(r *http.Request, into any) error {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return origami.Errorf(origami.CodeInvalidParameterValue, "The request is no valid JSON: %v", err)
	}
	return nil
}

// answer writes one document.
func answer(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	// An error of the writer means that the client is gone.
	_ = json.NewEncoder(w).Encode(v)
	return nil
}

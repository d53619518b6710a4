package localserver

import (
	"encoding/json"
	"net/http"

	"origami"
)

// Usage is what an account's volumes have read, and what the store of the
// whole installation holds. Bytes are bytes, blocks are 512 KiB.
type Usage struct {
	StoredBytes int64         `json:"storedBytes"` // in packs, manifests included
	Packs       int64         `json:"packs"`
	Volumes     []VolumeUsage `json:"volumes"` // of the caller, that are in use
}

// VolumeUsage is what a volume that is in use has read of its snapshot.
type VolumeUsage struct {
	Volume     origami.VolumeID   `json:"volumeId"`
	Instance   origami.InstanceID `json:"instanceId,omitempty"`
	SizeGiB    int64              `json:"sizeGiB"`
	BlocksRead int64              `json:"blocksRead"` // different ones, since it was opened
	BlocksData int64              `json:"blocksData"` // that hold data
}

// usage answers POST /usage.
func (h *Handler) usage(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	u, err := h.Usage(r.Context(), who)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	// An error of the writer means that the client is gone.
	_ = json.NewEncoder(w).Encode(u)
	return nil
}

// Package ebsserver is the door of the EBS direct APIs: snapshots read and
// written block by block, without a volume. It has one file for each
// operation and holds no rules of its own.
//
// The tokens that it hands out, for blocks and for pages of lists, are sealed
// with a key of the installation. Nobody has to remember them, and any process
// of the installation can open them; see token.go.
package ebsserver

import (
	"context"
	"net/http"
	"sync"
	"time"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/ebs"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/restjson"
)

// Service is the signing name of the direct APIs.
const Service = "ebs"

const (
	blockSize = blockstore.BlockSize
	sha256Alg = "SHA256"
	linear    = "LINEAR"
)

// Config is what a door is built of.
type Config struct {
	DB  *metadb.DB
	EBS *ebs.Service
	// TokenKey seals the tokens of blocks and pages.
	TokenKey [32]byte
	// Authorize reports whether a caller may perform an action, such as
	// "ebs:GetSnapshotBlock", on snapshots. Nil allows all.
	Authorize func(ctx context.Context, who origami.Caller, action string, resources ...iam.Resource) error
	Now       func() time.Time // nil means time.Now
}

// server has the operations.
type server struct {
	db      *metadb.DB
	ebs     *ebs.Service
	key     [32]byte
	now     func() time.Time
	buffers sync.Pool // of *[blockSize]byte
}

// New makes the door.
func New(c Config) *restjson.Handler {
	s := &server{db: c.DB, ebs: c.EBS, key: c.TokenKey, now: c.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.buffers.New = func() any { return new([blockSize]byte) }
	return restjson.New(Service, []restjson.Operation{
		restjson.Define("PutSnapshotBlock", http.MethodPut, "/snapshots/{snapshotId}/blocks/{blockIndex}", http.StatusCreated, s.putSnapshotBlock),
		restjson.Define("GetSnapshotBlock", http.MethodGet, "/snapshots/{snapshotId}/blocks/{blockIndex}", http.StatusOK, s.getSnapshotBlock),
		restjson.Define("ListSnapshotBlocks", http.MethodGet, "/snapshots/{snapshotId}/blocks", http.StatusOK, s.listSnapshotBlocks),
		restjson.Define("ListChangedBlocks", http.MethodGet, "/snapshots/{secondSnapshotId}/changedblocks", http.StatusOK, s.listChangedBlocks),
		restjson.Define("CompleteSnapshot", http.MethodPost, "/snapshots/completion/{snapshotId}", http.StatusAccepted, s.completeSnapshot),
		restjson.Define("StartSnapshot", http.MethodPost, "/snapshots", http.StatusCreated, s.startSnapshot),
	}, s.authorizer(c.Authorize))
}

// readable finds a snapshot whose blocks the caller may read.
func (s *server) readable(ctx context.Context, who origami.Caller, id string) (snap *origami.Snapshot, err error) {
	parsed, err := parseSnapshotID(id)
	if err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		snap, err = s.ebs.ReadableSnapshot(tx, who, parsed)
		return err
	})
	return snap, err
}

func parseSnapshotID(s string) (origami.SnapshotID, error) {
	id, err := origami.ParseSnapshotID(s)
	if err != nil {
		return "", origami.Errorf(origami.CodeValidationException, "Invalid snapshot ID: %.64q", s).Because(origami.ReasonInvalidSnapshotID)
	}
	return id, nil
}

func invalid(reason origami.Reason, format string, args ...any) error {
	return origami.Errorf(origami.CodeValidationException, format, args...).Because(reason)
}

package instance

import (
	"context"
	"errors"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/vmm"
)

// ConsoleSize is how much of the serial console's output is shown, in bytes.
const ConsoleSize = 64 << 10

// Console returns the last output of the serial console of an instance of the
// caller's, also after it ended, and when it was read.
func (s *Service) Console(ctx context.Context, who origami.Caller, id origami.InstanceID) ([]byte, time.Time, error) {
	err := s.DB.View(ctx, func(tx *metadb.Tx) error {
		_, err := tx.Instance(who.Region, who.Account, id)
		return err
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	out, err := s.VMM.Console(ctx, string(id), ConsoleSize)
	if err != nil && !errors.Is(err, vmm.ErrNotFound) {
		return nil, time.Time{}, err
	}
	return out, s.Now().UTC(), nil
}

package instance

import (
	"context"
	"fmt"
	"log/slog"

	"origami"
	"origami/internal/ebs"
	"origami/nbd"
)

// offer is an open volume that a machine can connect to.
type offer struct {
	volume *ebs.Volume
	stop   func() // of its export; returns when the machine is disconnected
}

// offer opens a volume and exports it to the machine, unless that was done
// already. The machine's lock is held.
func (m *machine) offer(ctx context.Context, e *ebs.Service, id origami.VolumeID) error {
	if _, ok := m.volumes[id]; ok {
		return nil
	}
	v, err := e.Open(ctx, m.region, id)
	if err != nil {
		return err
	}
	if m.volumes == nil {
		m.volumes = make(map[origami.VolumeID]offer)
	}
	m.volumes[id] = offer{v, func() {}}
	stop, err := m.server.Export(string(id), v, nbd.ExportOptions{})
	if err != nil {
		return fmt.Errorf("export %s: %w", id, err)
	}
	m.volumes[id] = offer{v, stop}
	return nil
}

// withdraw ends the export of a volume, if there is one, and closes it. The
// machine's lock is held.
func (m *machine) withdraw(id origami.VolumeID, log *slog.Logger) {
	o, ok := m.volumes[id]
	if !ok {
		return
	}
	delete(m.volumes, id)
	o.stop()
	if err := o.volume.Close(); err != nil {
		log.Error("close volume", "instance", m.id, "volume", id, "err", err)
	}
}

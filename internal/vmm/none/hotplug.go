package none

import (
	"context"
	"errors"
	"fmt"

	"origami/internal/vmm"
)

var _ vmm.HotPlugger = (*Driver)(nil)

// setDisks notes which disk is in which slot. That is forgotten when the
// driver closes: nothing reads them.
func (m *machine) setDisks(disks []vmm.Disk) {
	m.disks = make(map[int]vmm.Disk)
	for _, d := range disks {
		m.disks[d.Slot] = d
	}
}

// Attach implements [vmm.HotPlugger].
func (d *Driver) Attach(ctx context.Context, id string, disk vmm.Disk) error {
	if err := disk.Validate(); err != nil {
		return err
	}
	return d.do(ctx, id, func(m *machine) error {
		if there, ok := m.disks[disk.Slot]; ok && there.Serial != disk.Serial {
			return fmt.Errorf("machine %s: slot %d: %w", id, disk.Slot, vmm.ErrSlotTaken)
		}
		m.disks[disk.Slot] = disk
		return nil
	})
}

// Detach implements [vmm.HotPlugger]. There is nobody who could hold on to a
// disk.
func (d *Driver) Detach(ctx context.Context, id string, slot int, _ bool) error {
	return d.do(ctx, id, func(m *machine) error {
		delete(m.disks, slot)
		return nil
	})
}

// Resize implements [vmm.HotPlugger].
func (d *Driver) Resize(ctx context.Context, id string, disk vmm.Disk, _ int64) error {
	return d.do(ctx, id, func(m *machine) error {
		there, ok := m.disks[disk.Slot]
		switch {
		case m.recovered:
			return nil
		case !ok:
			return errors.New("the slot is empty")
		case there.Bus == vmm.NVMe:
			return vmm.ErrFixedSize
		}
		return nil
	})
}

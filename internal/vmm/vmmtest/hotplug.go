package vmmtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"origami/internal/vmm"
)

var _ vmm.HotPlugger = (*Driver)(nil)

// Cling makes the guest of a machine hold on to its disks, or let go of them
// when it is asked the next time.
func (h *Host) Cling(id string, cling bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.running(id)
	if err == nil {
		m.clings = cling
	}
	return err
}

// Sizes returns what the machine was told of the sizes of its disks, in bytes
// by serial.
func (h *Host) Sizes(id string) (map[string]int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.running(id)
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64)
	for serial, size := range m.sizes {
		sizes[serial] = size
	}
	return sizes, nil
}

// slot returns the index of the disk in a slot, or -1.
func (m *machine) slot(n int) int {
	return slices.IndexFunc(m.spec.Disks, func(d vmm.Disk) bool { return d.Slot == n })
}

// Attach implements [vmm.HotPlugger].
func (d *Driver) Attach(ctx context.Context, id string, disk vmm.Disk) error {
	if err := disk.Validate(); err != nil {
		return err
	}
	return d.locked(ctx, func() error {
		m, err := d.host.running(id)
		if err != nil {
			return err
		}
		at := m.slot(disk.Slot)
		switch {
		case m.cut[disk.Slot]:
			return fmt.Errorf("slot %d: %w", disk.Slot, vmm.ErrSlotTaken)
		case at < 0:
			m.spec.Disks = append(m.spec.Disks, disk)
		case m.spec.Disks[at].Serial != disk.Serial:
			return fmt.Errorf("slot %d: %w", disk.Slot, vmm.ErrSlotTaken)
		}
		return nil
	})
}

// Detach implements [vmm.HotPlugger]. A guest lets go at once or, if it is
// [Deaf] or clings, not at all.
func (d *Driver) Detach(ctx context.Context, id string, slot int, force bool) error {
	return d.locked(ctx, func() error {
		m, err := d.host.running(id)
		if err != nil {
			return err
		}
		holds := m.clings || m.guest == Deaf
		at := m.slot(slot)
		switch {
		case at < 0:
			if !holds {
				delete(m.cut, slot)
			}
			return nil
		case holds && !force:
			return fmt.Errorf("slot %d: %w", slot, vmm.ErrBusy)
		case holds:
			if m.cut == nil {
				m.cut = make(map[int]bool)
			}
			m.cut[slot] = true
		}
		m.spec.Disks = slices.Delete(m.spec.Disks, at, at+1)
		return nil
	})
}

// Resize implements [vmm.HotPlugger].
func (d *Driver) Resize(ctx context.Context, id string, disk vmm.Disk, size int64) error {
	return d.locked(ctx, func() error {
		m, err := d.host.running(id)
		if err != nil {
			return err
		}
		at := m.slot(disk.Slot)
		switch {
		case at < 0:
			return errors.New("the slot is empty")
		case m.spec.Disks[at].Serial != disk.Serial:
			return fmt.Errorf("slot %d: %w", disk.Slot, vmm.ErrSlotTaken)
		case m.spec.Disks[at].Bus == vmm.NVMe:
			return vmm.ErrFixedSize
		}
		if m.sizes == nil {
			m.sizes = make(map[string]int64)
		}
		m.sizes[disk.Serial] = size
		return nil
	})
}

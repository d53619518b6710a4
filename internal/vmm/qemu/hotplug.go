package qemu

import (
	"context"
	"errors"
	"fmt"
	"time"

	"origami/internal/vmm"
	"origami/internal/vmm/qemu/qmp"
)

// detachWait is how long Detach waits for a guest to let go. Linux takes some
// hundredths of a second, emulated and under load a second or two.
const detachWait = 5 * time.Second

// unplugPoll is how often a slot is looked at that is to become free. The
// monitor's event usually comes first; one that was missed costs this much.
const unplugPoll = 250 * time.Millisecond

var _ vmm.HotPlugger = (*Driver)(nil)

// A disk is a chain of block nodes: its NBD connection, named by nbdNode, and
// above it a node of format raw, named by diskNode, which the device has. The
// latter makes it possible to exchange the connection below a running guest:
// the size of an NBD export is fixed when a client connects, so a disk grows
// by being connected anew.

func diskID(slot int) string   { return fmt.Sprintf("disk%d", slot) }
func diskNode(slot int) string { return fmt.Sprintf("node%d", slot) }

// nbdNode is the name of a disk's connection, of which there may be two while
// they are exchanged.
func nbdNode(slot, which int) string { return fmt.Sprintf("nbd%d%c", slot, 'a'+which) }

// Nodes that stand in for the connection of a disk that was taken away.
func deadNode(slot int) string    { return fmt.Sprintf("dead%d", slot) }
func failingNode(slot int) string { return fmt.Sprintf("failing%d", slot) }

// nodesOf are the names of all nodes that a slot may have, from the top down.
func nodesOf(slot int) []string {
	return []string{diskNode(slot), nbdNode(slot, 0), nbdNode(slot, 1), failingNode(slot), deadNode(slot)}
}

// hotplug runs f while nothing else changes the disks of the machine.
func (d *Driver) hotplug(ctx context.Context, id, what string, slot int, f func(*machine) error) error {
	m, err := d.running(ctx, id)
	if err != nil {
		return err
	}
	if slot < 0 || slot >= MaxDisks {
		return fmt.Errorf("machine %s: slot %d is not below %d", id, slot, MaxDisks)
	}
	m.disks.Lock()
	defer m.disks.Unlock()
	if err := f(m); err != nil {
		return fmt.Errorf("%s disk in slot %d: %w", what, slot, err)
	}
	return nil
}

// Attach implements [vmm.HotPlugger].
func (d *Driver) Attach(ctx context.Context, id string, disk vmm.Disk) error {
	if err := disk.Validate(); err != nil {
		return fmt.Errorf("machine %s: %w", id, err)
	}
	return d.hotplug(ctx, id, "attach", disk.Slot, func(m *machine) error { return m.attachDisk(ctx, disk) })
}

func (m *machine) attachDisk(ctx context.Context, d vmm.Disk) error {
	there, err := m.hasDisk(ctx, d.Slot)
	if err != nil {
		return err
	}
	if there {
		return m.isDisk(ctx, d)
	}
	// What an attempt left that did not come this far.
	if err := m.deleteNodes(ctx, d.Slot); err != nil {
		return err
	}
	err = m.execute(ctx, "blockdev-add", nbdBlockdev(d, 0), nil)
	if err == nil {
		err = m.execute(ctx, "blockdev-add", diskBlockdev(d.Slot, nbdNode(d.Slot, 0)), nil)
	}
	if err == nil {
		err = m.execute(ctx, "device_add", diskDevice(d, false), nil)
	}
	if err != nil {
		return errors.Join(err, m.deleteNodes(ctx, d.Slot))
	}
	return nil
}

// isDisk reports whether the disk in a slot that is not empty is d, and serves
// its bytes.
func (m *machine) isDisk(ctx context.Context, d vmm.Disk) error {
	var serial string
	if err := m.property(ctx, d.Slot, "serial", &serial); err != nil {
		return err
	}
	nodes, err := m.nodes(ctx)
	if err != nil {
		return err
	}
	if _, dead := nodes[failingNode(d.Slot)]; dead || serial != d.Serial {
		return fmt.Errorf("%w: %s", vmm.ErrSlotTaken, serial)
	}
	return nil
}

// Detach implements [vmm.HotPlugger].
func (d *Driver) Detach(ctx context.Context, id string, slot int, force bool) error {
	return d.hotplug(ctx, id, "detach", slot, func(m *machine) error { return m.detachDisk(ctx, slot, force) })
}

func (m *machine) detachDisk(ctx context.Context, slot int, force bool) error {
	// A request that is under way already is refused, which does not matter:
	// what counts is whether the device goes.
	refused := m.execute(ctx, "device_del", object{"id": diskID(slot)}, nil)
	var e *qmp.Error
	if refused != nil && !errors.As(refused, &e) {
		return refused
	}
	there, err := m.awaitUnplug(ctx, slot)
	switch {
	case err != nil:
		return err
	case !there:
		return m.deleteNodes(ctx, slot)
	case force:
		return m.cutDisk(ctx, slot)
	case refused != nil:
		return fmt.Errorf("%w: %w", vmm.ErrBusy, refused)
	}
	return vmm.ErrBusy
}

// awaitUnplug waits for the device to go, and reports whether it is there.
func (m *machine) awaitUnplug(ctx context.Context, slot int) (there bool, err error) {
	limit := time.NewTimer(detachWait)
	defer limit.Stop()
	poll := time.NewTicker(unplugPoll)
	defer poll.Stop()
	for {
		there, err := m.hasDisk(ctx, slot)
		if err != nil || !there {
			return there, err
		}
		select {
		case <-m.unplugged:
		case <-poll.C:
		case <-limit.C:
			return true, nil
		case <-ctx.Done():
			return true, context.Cause(ctx)
		}
	}
}

// cutDisk puts a disk that fails every request in the place of a connection.
func (m *machine) cutDisk(ctx context.Context, slot int) error {
	nodes, err := m.nodes(ctx)
	if err != nil {
		return err
	}
	size := nodes[diskNode(slot)]
	steps := []struct {
		node    string // that the step makes, if it is not there
		command string
		args    object
	}{
		{deadNode(slot), "blockdev-add", object{"driver": "null-co", "node-name": deadNode(slot), "size": size}},
		{failingNode(slot), "blockdev-add", object{
			"driver": "blkdebug", "node-name": failingNode(slot), "image": deadNode(slot),
			"inject-error": []object{{"event": "none", "errno": 5, "once": false, "immediately": true}},
		}},
		{"", "blockdev-reopen", object{"options": []object{diskBlockdev(slot, failingNode(slot))}}},
	}
	for _, step := range steps {
		if _, made := nodes[step.node]; made {
			continue
		}
		if err := m.execute(ctx, step.command, step.args, nil); err != nil {
			return err
		}
	}
	for which := range 2 {
		if err := m.deleteNode(ctx, nodes, nbdNode(slot, which)); err != nil {
			return err
		}
	}
	return nil
}

// Resize implements [vmm.HotPlugger].
func (d *Driver) Resize(ctx context.Context, id string, disk vmm.Disk, size int64) error {
	if err := disk.Validate(); err != nil {
		return fmt.Errorf("machine %s: %w", id, err)
	}
	return d.hotplug(ctx, id, "resize", disk.Slot, func(m *machine) error { return m.resizeDisk(ctx, disk, size) })
}

func (m *machine) resizeDisk(ctx context.Context, d vmm.Disk, size int64) error {
	there, err := m.hasDisk(ctx, d.Slot)
	if err == nil && !there {
		err = errors.New("the slot is empty")
	}
	if err != nil {
		return err
	}
	if err := m.isDisk(ctx, d); err != nil {
		return err
	}
	var kind string
	if err := m.property(ctx, d.Slot, "type", &kind); err != nil {
		return err
	}
	if kind == "nvme" { // QEMU fixes the size of a namespace when it makes it
		return vmm.ErrFixedSize
	}
	fresh, err := m.freshNode(ctx, d.Slot)
	if err != nil {
		return err
	}
	if err := m.execute(ctx, "blockdev-add", nbdBlockdev(d, fresh), nil); err != nil {
		return err
	}
	nodes, err := m.nodes(ctx)
	if err != nil {
		return err
	}
	if got := nodes[nbdNode(d.Slot, fresh)]; got < size {
		err := fmt.Errorf("its server offers %d bytes, not %d", got, size)
		return errors.Join(err, m.deleteNode(ctx, nodes, nbdNode(d.Slot, fresh)))
	}
	reopen := object{"options": []object{diskBlockdev(d.Slot, nbdNode(d.Slot, fresh))}}
	if err := m.execute(ctx, "blockdev-reopen", reopen, nil); err != nil {
		return errors.Join(err, m.deleteNode(ctx, nodes, nbdNode(d.Slot, fresh)))
	}
	if err := m.execute(ctx, "block_resize", object{"node-name": diskNode(d.Slot), "size": size}, nil); err != nil {
		return err
	}
	return m.deleteNode(ctx, nodes, nbdNode(d.Slot, 1-fresh))
}

// freshNode returns which of the two connections of a disk there is not. When
// there are both, because somebody died in the middle of an exchange, the one
// that QEMU lets go is not in use.
func (m *machine) freshNode(ctx context.Context, slot int) (int, error) {
	nodes, err := m.nodes(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for which := range 2 {
		err := m.deleteNode(ctx, nodes, nbdNode(slot, which))
		if err == nil {
			return which, nil
		}
		errs = append(errs, err)
	}
	return 0, errors.Join(errs...)
}

// hasDisk reports whether there is a device in a slot.
func (m *machine) hasDisk(ctx context.Context, slot int) (bool, error) {
	var devices []struct {
		Name string `json:"name"`
	}
	if err := m.execute(ctx, "qom-list", object{"path": "/machine/peripheral"}, &devices); err != nil {
		return false, err
	}
	for _, d := range devices {
		if d.Name == diskID(slot) {
			return true, nil
		}
	}
	return false, nil
}

// property reads a property of the device in a slot.
func (m *machine) property(ctx context.Context, slot int, name string, value any) error {
	return m.execute(ctx, "qom-get", object{"path": "/machine/peripheral/" + diskID(slot), "property": name}, value)
}

// nodes returns the sizes of all named block nodes, by name.
func (m *machine) nodes(ctx context.Context) (map[string]int64, error) {
	var list []struct {
		Name  string `json:"node-name"`
		Image struct {
			Size int64 `json:"virtual-size"`
		} `json:"image"`
	}
	if err := m.execute(ctx, "query-named-block-nodes", object{"flat": true}, &list); err != nil {
		return nil, err
	}
	nodes := make(map[string]int64, len(list))
	for _, n := range list {
		nodes[n.Name] = n.Image.Size
	}
	return nodes, nil
}

// deleteNodes deletes what there is of the nodes of a slot without a device.
func (m *machine) deleteNodes(ctx context.Context, slot int) error {
	nodes, err := m.nodes(ctx)
	if err != nil {
		return err
	}
	for _, name := range nodesOf(slot) {
		if err := m.deleteNode(ctx, nodes, name); err != nil {
			return err
		}
	}
	return nil
}

// deleteNode deletes a node if it is among those that there are.
func (m *machine) deleteNode(ctx context.Context, nodes map[string]int64, name string) error {
	if _, ok := nodes[name]; !ok {
		return nil
	}
	return m.execute(ctx, "blockdev-del", object{"node-name": name}, nil)
}

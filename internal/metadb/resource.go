package metadb

import (
	"errors"
	"slices"

	"origami"
)

// Visible checks that viewer may see the resource of any kind that id
// identifies; otherwise the error is the not-found error of that kind.
func (tx *Tx) Visible(region origami.Region, viewer origami.AccountID, id string) error {
	see, ok := map[string]func() error{
		"image":                    func() error { return seenImage(tx, region, viewer, id) },
		"snapshot":                 func() error { return seenSnapshot(tx, region, viewer, id) },
		"volume":                   func() error { return seenVolume(tx, region, viewer, id) },
		"instance":                 func() error { return seen(instances, tx, region, viewer, id) },
		"network-interface":        func() error { return tx.interfaceSeen(region, viewer, id) },
		"key-pair":                 func() error { return seen(keyPairs, tx, region, viewer, id) },
		"vpc":                      func() error { return seen(vpcs, tx, region, viewer, id) },
		"subnet":                   func() error { return seen(subnets, tx, region, viewer, id) },
		"security-group":           func() error { return seen(securityGroups, tx, region, viewer, id) },
		"security-group-rule":      func() error { return seen(securityGroupRules, tx, region, viewer, id) },
		"launch-template":          func() error { return seen(launchTemplates, tx, region, viewer, id) },
		"elastic-ip":               func() error { return seen(addresses, tx, region, viewer, id) },
		"image-usage-report":       func() error { return seen(imageUsageReports, tx, region, viewer, id) },
		"replace-root-volume-task": func() error { return seen(rootReplacements, tx, region, viewer, id) },
	}[origami.ResourceType(id)]
	if !ok {
		return origami.NotFound(id)
	}
	return see()
}

// seenImage is seen of images, among which owners see theirs in the Recycle Bin
// too: tags are all that can be changed there.
func seenImage(tx *Tx, region origami.Region, viewer origami.AccountID, id string) error {
	err := seen(images, tx, region, viewer, id)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}) {
		return seen(binnedImages, tx, region, viewer, id)
	}
	return err
}

// seenSnapshot is seen of snapshots, likewise.
func seenSnapshot(tx *Tx, region origami.Region, viewer origami.AccountID, id string) error {
	err := seen(snapshots, tx, region, viewer, id)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound}) {
		return seen(recycledSnapshots, tx, region, viewer, id)
	}
	return err
}

// seenVolume is seen of volumes, likewise.
func seenVolume(tx *Tx, region origami.Region, viewer origami.AccountID, id string) error {
	err := seen(volumes, tx, region, viewer, id)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound}) {
		return seen(recycledVolumes, tx, region, viewer, id)
	}
	return err
}

// interfaceSeen looks for a network interface among viewer's instances, of which
// each has one until it is terminated.
func (tx *Tx) interfaceSeen(region origami.Region, viewer origami.AccountID, id string) error {
	for i, err := range tx.Instances(Query{Region: region, Viewer: viewer}) {
		if err != nil {
			return err
		}
		if string(i.NetworkInterface) == id && i.State != origami.InstanceTerminated {
			return nil
		}
	}
	return origami.NotFound(id)
}

func seen[T any](t *table[T], tx *Tx, region origami.Region, viewer origami.AccountID, id string) error {
	found, err := seenOf(t, tx, region, viewer, []string{id})
	if err == nil && !found[id] {
		err = origami.NotFound(id)
	}
	return err
}

// VisibleImages tells which of some images viewer may see, without those that
// are deregistered or in the Recycle Bin.
func (tx *Tx) VisibleImages(region origami.Region, viewer origami.AccountID, ids []string) (map[string]bool, error) {
	return seenOf(images, tx, region, viewer, ids)
}

// seenOf tells which of ids lists show to viewer.
func seenOf[T any](t *table[T], tx *Tx, region origami.Region, viewer origami.AccountID, ids []string) (map[string]bool, error) {
	out := make(map[string]bool, len(ids))
	means, err := t.means(tx, viewer)
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(ids, maxIDs) {
		var c conditions
		c.add("t.region = ?", string(region))
		c.in("t.id", some)
		where, args := t.visible(viewer, means)
		c.add(where, args...)
		if t.listed != "" {
			c.add(t.listed)
		}
		found, err := collect(tx, scanOne[string], "SELECT t.id FROM "+t.name+" t WHERE "+c.text(), c.args...)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			out[id] = true
		}
	}
	return out, nil
}

package metadb

import "origami"

// Visible checks that viewer may see the resource of any kind that id
// identifies; otherwise the error is the not-found error of that kind.
func (tx *Tx) Visible(region origami.Region, viewer origami.AccountID, id string) error {
	see, ok := map[string]func() error{
		"image":                    func() error { return seen(images, tx, region, viewer, id) },
		"snapshot":                 func() error { return seen(snapshots, tx, region, viewer, id) },
		"volume":                   func() error { return seen(volumes, tx, region, viewer, id) },
		"instance":                 func() error { return seen(instances, tx, region, viewer, id) },
		"key-pair":                 func() error { return seen(keyPairs, tx, region, viewer, id) },
		"vpc":                      func() error { return seen(vpcs, tx, region, viewer, id) },
		"subnet":                   func() error { return seen(subnets, tx, region, viewer, id) },
		"security-group":           func() error { return seen(securityGroups, tx, region, viewer, id) },
		"security-group-rule":      func() error { return seen(securityGroupRules, tx, region, viewer, id) },
		"launch-template":          func() error { return seen(launchTemplates, tx, region, viewer, id) },
		"elastic-ip":               func() error { return seen(addresses, tx, region, viewer, id) },
		"replace-root-volume-task": func() error { return seen(rootReplacements, tx, region, viewer, id) },
	}[origami.ResourceType(id)]
	if !ok {
		return origami.NotFound(id)
	}
	return see()
}

func seen[T any](t *table[T], tx *Tx, region origami.Region, viewer origami.AccountID, id string) error {
	where, args := t.visible(viewer)
	if t.listed != "" {
		where += " AND " + t.listed
	}
	_, ok, err := one[int64](tx, "SELECT 1 FROM "+t.name+" t WHERE t.region = ? AND t.id = ? AND "+where,
		append([]any{string(region), id}, args...)...)
	if err == nil && !ok {
		err = origami.NotFound(id)
	}
	return err
}

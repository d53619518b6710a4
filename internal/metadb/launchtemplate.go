package metadb

import (
	"iter"

	"origami"
)

var launchTemplates = &table[origami.LaunchTemplate]{
	name: "launch_templates",
	doc:  documentOf[origami.LaunchTemplate](),
	key: func(t *origami.LaunchTemplate) (origami.Region, string, origami.AccountID) {
		return t.Region, string(t.ID), t.Owner
	},
	columns: []string{"name"},
	values:  func(t *origami.LaunchTemplate) []any { return []any{t.Name} },
	filters: map[string]filter{"launch-template-name": {column: "name", selective: true}},
}

var launchTemplateVersions = &table[origami.LaunchTemplateVersion]{
	name: "launch_template_versions",
	doc:  documentOf[origami.LaunchTemplateVersion](),
	key: func(v *origami.LaunchTemplateVersion) (origami.Region, string, origami.AccountID) {
		return v.Region, v.Key(), v.Owner
	},
	columns: []string{"template"},
	values:  func(v *origami.LaunchTemplateVersion) []any { return []any{string(v.Template)} },
	filters: map[string]filter{"launch-template-id": {column: "template", selective: true}},
}

// PutLaunchTemplate inserts a launch template. The error is
// InvalidLaunchTemplateName.AlreadyExistsException if its owner has one of that
// name in the region.
func (tx *Tx) PutLaunchTemplate(t *origami.LaunchTemplate) error {
	_, taken, err := one[string](tx, `SELECT id FROM launch_templates WHERE region = ? AND owner = ? AND name = ?`,
		string(t.Region), string(t.Owner), t.Name)
	if err != nil {
		return err
	}
	if taken {
		return origami.Errorf("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
	}
	return launchTemplates.put(tx, t)
}

// LaunchTemplate is viewer's launch template, or InvalidLaunchTemplateId.NotFound.
func (tx *Tx) LaunchTemplate(region origami.Region, viewer origami.AccountID, id origami.LaunchTemplateID) (*origami.LaunchTemplate, error) {
	return launchTemplates.get(tx, region, viewer, string(id))
}

// LaunchTemplateByName is viewer's launch template of that name, or
// InvalidLaunchTemplateName.NotFoundException.
func (tx *Tx) LaunchTemplateByName(region origami.Region, viewer origami.AccountID, name string) (*origami.LaunchTemplate, error) {
	found, err := launchTemplates.where(tx, `t.region = ? AND t.owner = ? AND t.name = ?`, string(region), string(viewer), name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, origami.Errorf("InvalidLaunchTemplateName.NotFoundException",
			"The specified launch template, with template name %s, does not exist.", name)
	}
	return found[0], nil
}

// UpdateLaunchTemplate changes a launch template by f, as UpdateImage does an
// image.
func (tx *Tx) UpdateLaunchTemplate(region origami.Region, id origami.LaunchTemplateID, f func(*origami.LaunchTemplate) error) (*origami.LaunchTemplate, error) {
	return launchTemplates.update(tx, region, string(id), f)
}

// DeleteLaunchTemplate removes a launch template with all of its versions.
func (tx *Tx) DeleteLaunchTemplate(region origami.Region, id origami.LaunchTemplateID) error {
	if _, err := tx.exec(`DELETE FROM launch_template_versions WHERE region = ? AND template = ?`, string(region), string(id)); err != nil {
		return err
	}
	return launchTemplates.remove(tx, region, string(id))
}

// LaunchTemplates yields the launch templates that q selects, by ID.
func (tx *Tx) LaunchTemplates(q Query) iter.Seq2[*origami.LaunchTemplate, error] {
	return launchTemplates.list(tx, q)
}

// PutLaunchTemplateVersion inserts a version of a launch template.
func (tx *Tx) PutLaunchTemplateVersion(v *origami.LaunchTemplateVersion) error {
	return launchTemplateVersions.put(tx, v)
}

// LaunchTemplateVersion is a version of a launch template, or
// InvalidLaunchTemplateId.VersionNotFound.
func (tx *Tx) LaunchTemplateVersion(t *origami.LaunchTemplate, number int64) (*origami.LaunchTemplateVersion, error) {
	found, err := launchTemplateVersions.where(tx, `t.region = ? AND t.id = ?`, string(t.Region),
		(&origami.LaunchTemplateVersion{Template: t.ID, Number: number}).Key())
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, origami.Errorf("InvalidLaunchTemplateId.VersionNotFound",
			"Could not find the specified version %d for the launch template with ID %s.", number, t.ID)
	}
	return found[0], nil
}

// DeleteLaunchTemplateVersion removes a version of a launch template.
func (tx *Tx) DeleteLaunchTemplateVersion(v *origami.LaunchTemplateVersion) error {
	return launchTemplateVersions.remove(tx, v.Region, v.Key())
}

// LaunchTemplateVersions yields the versions that q selects, by template and
// number. Its IDs are keys of versions; the filter launch-template-id selects
// those of one template.
func (tx *Tx) LaunchTemplateVersions(q Query) iter.Seq2[*origami.LaunchTemplateVersion, error] {
	return launchTemplateVersions.list(tx, q)
}

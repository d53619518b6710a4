package instance

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"unicode/utf8"

	"origami"
	"origami/internal/metadb"
)

// Limits of launch templates.
const (
	maxTemplates           = 5000  // of an account in a region
	maxTemplateVersions    = 10000 // of a template
	maxVersionDescription  = 255   // characters
	codeTemplateNameFormat = "InvalidLaunchTemplateName.MalformedException"
)

var templateName = regexp.MustCompile(`^[a-zA-Z0-9().\-/_]{3,128}$`)

// TemplateRef names a launch template, by ID or by name.
type TemplateRef struct {
	ID   string
	Name string
}

// TemplateVersion is what a new version of a launch template consists of.
type TemplateVersion struct {
	Description string
	Data        json.RawMessage // a JSON object; see [origami.LaunchTemplateVersion]
	// Token and Fingerprint are the client token of the request and what
	// tells whether a repetition asks for the same.
	Token       string
	Fingerprint [32]byte
}

// Template finds the caller's launch template.
func (s *Service) Template(tx *metadb.Tx, who origami.Caller, ref TemplateRef) (*origami.LaunchTemplate, error) {
	switch {
	case ref.ID != "" && ref.Name != "":
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Specify either the ID or the name of the launch template, not both.")
	case ref.ID != "":
		id, err := origami.ParseLaunchTemplateID(ref.ID)
		if err != nil {
			return nil, err
		}
		return tx.LaunchTemplate(who.Region, who.Account, id)
	case ref.Name != "":
		if err := checkTemplateName(ref.Name); err != nil {
			return nil, err
		}
		return tx.LaunchTemplateByName(who.Region, who.Account, ref.Name)
	}
	return nil, origami.Errorf(origami.CodeMissingParameter, "Either the ID or the name of the launch template must be specified.")
}

func checkTemplateName(name string) error {
	if !templateName.MatchString(name) {
		return origami.Errorf(codeTemplateNameFormat,
			"A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _.")
	}
	return nil
}

// VersionNumber reads the name of a version of a template: a number, $Latest or
// $Default. "" means the default one.
func VersionNumber(t *origami.LaunchTemplate, version string) (int64, error) {
	switch version {
	case "", "$Default":
		return t.Default, nil
	case "$Latest":
		return t.Latest, nil
	}
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil || n < 1 {
		return 0, origami.Errorf(origami.CodeInvalidParameterValue,
			"Invalid value '%.64s' for launch template version. It must be a number of at least 1, $Latest or $Default.", version)
	}
	return n, nil
}

// TemplateVersion finds a version of the caller's launch template by its name.
func (s *Service) TemplateVersion(tx *metadb.Tx, t *origami.LaunchTemplate, version string) (*origami.LaunchTemplateVersion, error) {
	n, err := VersionNumber(t, version)
	if err != nil {
		return nil, err
	}
	return tx.LaunchTemplateVersion(t, n)
}

// CreateTemplate makes a launch template with a first version.
func (s *Service) CreateTemplate(ctx context.Context, who origami.Caller, name string, v TemplateVersion, tags origami.Tags) (*origami.LaunchTemplate, error) {
	if err := checkTemplateName(name); err != nil {
		return nil, err
	}
	var out *origami.LaunchTemplate
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		earlier, done, err := tx.Once(who.Account, who.Region, "CreateLaunchTemplate", v.Token, v.Fingerprint)
		if err != nil {
			return err
		}
		if done {
			out, err = tx.LaunchTemplate(who.Region, who.Account, origami.LaunchTemplateID(earlier))
			return err
		}
		n := 0
		for _, err := range tx.LaunchTemplates(metadb.Query{Region: who.Region, Viewer: who.Account}) {
			if err != nil {
				return err
			}
			if n++; n >= maxTemplates {
				return origami.Errorf(origami.CodeResourceLimitExceeded, "The maximum number of launch templates (%d) has been reached.", maxTemplates)
			}
		}
		out = &origami.LaunchTemplate{
			ID: origami.NewLaunchTemplateID(), Region: who.Region, Owner: who.Account, Name: name,
			Created: s.Now().UTC(), CreatedBy: who.ARN, Default: 1,
		}
		if err := tx.PutLaunchTemplate(out); err != nil {
			return err
		}
		if err := putTags(tx, who, tags, string(out.ID)); err != nil {
			return err
		}
		if _, err := s.addVersion(tx, who, out, v); err != nil {
			return err
		}
		if out, err = tx.LaunchTemplate(who.Region, who.Account, out.ID); err != nil {
			return err
		}
		return tx.SetOnce(who.Account, who.Region, "CreateLaunchTemplate", v.Token, v.Fingerprint, string(out.ID))
	})
	return out, err
}

// addVersion writes the next version of a template.
func (s *Service) addVersion(tx *metadb.Tx, who origami.Caller, t *origami.LaunchTemplate, v TemplateVersion) (*origami.LaunchTemplateVersion, error) {
	if utf8.RuneCountInString(v.Description) > maxVersionDescription {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The description of a version has at most %d characters.", maxVersionDescription)
	}
	out := &origami.LaunchTemplateVersion{
		Template: t.ID, Region: t.Region, Owner: t.Owner, Description: v.Description,
		Created: s.Now().UTC(), CreatedBy: who.ARN, Data: v.Data,
	}
	_, err := tx.UpdateLaunchTemplate(t.Region, t.ID, func(t *origami.LaunchTemplate) error {
		if t.Last >= maxTemplateVersions {
			return origami.Errorf(origami.CodeResourceLimitExceeded, "The maximum number of versions of a launch template (%d) has been reached.", maxTemplateVersions)
		}
		t.Last++
		t.Latest, out.Number = t.Last, t.Last
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, tx.PutLaunchTemplateVersion(out)
}

// CreateTemplateVersion adds a version to a template. What v does not say is
// as in the source version, if one is named.
func (s *Service) CreateTemplateVersion(ctx context.Context, who origami.Caller, ref TemplateRef, source string, v TemplateVersion) (*origami.LaunchTemplate, *origami.LaunchTemplateVersion, error) {
	const operation = "CreateLaunchTemplateVersion"
	var t *origami.LaunchTemplate
	var out *origami.LaunchTemplateVersion
	err := s.DB.Update(ctx, func(tx *metadb.Tx) (err error) {
		if t, err = s.Template(tx, who, ref); err != nil {
			return err
		}
		earlier, done, err := tx.Once(who.Account, who.Region, operation, v.Token, v.Fingerprint)
		if err != nil {
			return err
		}
		if done {
			out, err = s.TemplateVersion(tx, t, earlier)
			return err
		}
		if source != "" {
			from, err := s.TemplateVersion(tx, t, source)
			if err != nil {
				return err
			}
			if v.Data, err = overData(from.Data, v.Data); err != nil {
				return err
			}
		}
		if out, err = s.addVersion(tx, who, t, v); err != nil {
			return err
		}
		if t, err = tx.LaunchTemplate(who.Region, who.Account, t.ID); err != nil {
			return err
		}
		return tx.SetOnce(who.Account, who.Region, operation, v.Token, v.Fingerprint, strconv.FormatInt(out.Number, 10))
	})
	return t, out, err
}

// overData replaces the parameters of a launch that over gives.
func overData(base, over json.RawMessage) (json.RawMessage, error) {
	var merged map[string]json.RawMessage
	for _, text := range []json.RawMessage{base, over} {
		// Members that are there already are replaced, others stay.
		if err := json.Unmarshal(text, &merged); err != nil {
			return nil, err
		}
	}
	return json.Marshal(merged)
}

// SetDefaultVersion chooses the version of a template that is meant when none
// is given.
func (s *Service) SetDefaultVersion(ctx context.Context, who origami.Caller, ref TemplateRef, version, token string, fingerprint [32]byte) (*origami.LaunchTemplate, error) {
	var out *origami.LaunchTemplate
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		const operation = "ModifyLaunchTemplate"
		earlier, done, err := tx.Once(who.Account, who.Region, operation, token, fingerprint)
		if err != nil {
			return err
		}
		if done {
			out, err = tx.LaunchTemplate(who.Region, who.Account, origami.LaunchTemplateID(earlier))
			return err
		}
		t, err := s.Template(tx, who, ref)
		if err != nil {
			return err
		}
		v, err := s.TemplateVersion(tx, t, version)
		if err != nil {
			return err
		}
		out, err = tx.UpdateLaunchTemplate(t.Region, t.ID, func(t *origami.LaunchTemplate) error {
			t.Default = v.Number
			return nil
		})
		if err != nil {
			return err
		}
		return tx.SetOnce(who.Account, who.Region, operation, token, fingerprint, string(t.ID))
	})
	return out, err
}

// DeleteTemplate removes a template with all of its versions, and returns what
// it was. Instances do not depend on it.
func (s *Service) DeleteTemplate(ctx context.Context, who origami.Caller, ref TemplateRef) (*origami.LaunchTemplate, error) {
	var t *origami.LaunchTemplate
	err := s.DB.Update(ctx, func(tx *metadb.Tx) (err error) {
		if t, err = s.Template(tx, who, ref); err != nil {
			return err
		}
		return tx.DeleteLaunchTemplate(t.Region, t.ID)
	})
	return t, err
}

// DeletedVersion tells what became of the deletion of one version.
type DeletedVersion struct {
	Number int64
	Err    *origami.Error // nil if it is gone
}

// DeleteTemplateVersions removes versions of a template, each for itself. The
// default version stays.
func (s *Service) DeleteTemplateVersions(ctx context.Context, who origami.Caller, ref TemplateRef, versions []string) (*origami.LaunchTemplate, []DeletedVersion, error) {
	var t *origami.LaunchTemplate
	var out []DeletedVersion
	err := s.DB.Update(ctx, func(tx *metadb.Tx) (err error) {
		out = nil
		if t, err = s.Template(tx, who, ref); err != nil {
			return err
		}
		for _, name := range versions {
			n, err := VersionNumber(t, name)
			if err != nil {
				return err
			}
			d, err := deleteVersion(tx, t, n)
			if err != nil {
				return err
			}
			out = append(out, d)
		}
		return latestVersion(tx, t)
	})
	return t, out, err
}

func deleteVersion(tx *metadb.Tx, t *origami.LaunchTemplate, n int64) (DeletedVersion, error) {
	if n == t.Default {
		return DeletedVersion{n, origami.Errorf("unexpectedError", "The default version %d of a launch template cannot be deleted.", n)}, nil
	}
	v, err := tx.LaunchTemplateVersion(t, n)
	if errors.Is(err, &origami.Error{Code: "InvalidLaunchTemplateId.VersionNotFound"}) {
		return DeletedVersion{n, origami.Errorf("launchTemplateVersionDoesNotExist", "The version %d of the launch template %s does not exist.", n, t.ID)}, nil
	}
	if err != nil {
		return DeletedVersion{}, err
	}
	return DeletedVersion{Number: n}, tx.DeleteLaunchTemplateVersion(v)
}

// latestVersion notes which of the versions that are left is the newest. There
// is always one: the default.
func latestVersion(tx *metadb.Tx, t *origami.LaunchTemplate) error {
	var latest int64
	for v, err := range tx.LaunchTemplateVersions(metadb.Query{
		Region: t.Region, Viewer: t.Owner,
		Filters: []origami.Filter{{Name: "launch-template-id", Values: []string{string(t.ID)}}},
	}) {
		if err != nil {
			return err
		}
		if v.Template == t.ID {
			latest = v.Number
		}
	}
	_, err := tx.UpdateLaunchTemplate(t.Region, t.ID, func(t *origami.LaunchTemplate) error {
		t.Latest = latest
		return nil
	})
	return err
}

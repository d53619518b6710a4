package iamserver

import (
	"origami"
	"origami/internal/iam"
	"origami/internal/optional"
	"origami/internal/policy"
)

type profileOutput struct {
	Profile *wireProfile `xml:"InstanceProfile"`
}

func createProfile(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	p, err := c.iam.CreateInstanceProfile(c.ctx, c.who.Account, optional.Value(c.Path), *c.InstanceProfileName, tags)
	if err != nil {
		return nil, err
	}
	return &profileOutput{new(toProfile(iam.Profile{InstanceProfile: p}))}, nil
}

func getProfile(c *call) (any, error) {
	p, err := c.iam.InstanceProfile(c.ctx, c.who.Account, *c.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &profileOutput{new(toProfile(p))}, nil
}

func deleteProfile(c *call) (any, error) {
	return nil, c.iam.DeleteInstanceProfile(c.ctx, c.who.Account, *c.InstanceProfileName)
}

type profilesOutput struct {
	Profiles    []wireProfile `xml:"InstanceProfiles>member"`
	IsTruncated *bool         `xml:"IsTruncated"`
	Marker      *string       `xml:"Marker"`
}

// listProfiles lists all, or those with a role.
func listProfiles(c *call) (any, error) {
	all, err := c.iam.InstanceProfiles(c.ctx, c.who.Account, optional.Value(c.RoleName), optional.Value(c.PathPrefix))
	if err != nil {
		return nil, err
	}
	items, truncated, next, err := page(c, all, func(p iam.Profile) string { return p.Name })
	out := &profilesOutput{IsTruncated: truncated, Marker: next}
	for _, p := range items {
		out.Profiles = append(out.Profiles, toProfile(p))
	}
	return out, err
}

// addRole puts a role into a profile. Who does so hands the role out, and needs
// the right to.
func addRole(c *call) (any, error) {
	role, err := c.iam.Identity(c.ctx, c.who.Account, origami.KindRole, *c.RoleName)
	if err != nil {
		return nil, err
	}
	keys := policy.Keys{}
	keys.Set("iam:PassedToService", "ec2.amazonaws.com")
	if err := c.iam.Authorize(c.ctx, c.who, "iam:PassRole", iam.Resource{ARN: role.ARN(), Keys: keys}); err != nil {
		return nil, err
	}
	return nil, c.iam.SetProfileRole(c.ctx, c.who.Account, *c.InstanceProfileName, *c.RoleName, true)
}

func removeRole(c *call) (any, error) {
	return nil, c.iam.SetProfileRole(c.ctx, c.who.Account, *c.InstanceProfileName, *c.RoleName, false)
}

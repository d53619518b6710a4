package iamserver

import (
	"origami"
	"origami/internal/iam"
)

// keyUser is the user whose keys a request means: "" for the root that asks.
// The session of a role has no keys.
func (c *call) keyUser() (string, error) {
	if name := c.name(); name != "" || iam.Root(c.who) {
		return name, nil
	}
	return "", errNoUser()
}

func errNoUser() error {
	return origami.Errorf(codeValidation, "Must specify userName when calling with non-User credentials")
}

type keyOutput struct {
	AccessKey *wireKey `xml:"AccessKey"`
}

func createKey(c *call) (any, error) {
	user, err := c.keyUser()
	if err != nil {
		return nil, err
	}
	k, err := c.iam.CreateAccessKey(c.ctx, c.who.Account, user)
	if err != nil {
		return nil, err
	}
	return &keyOutput{new(toKey(user, k, true))}, nil
}

type keysOutput struct {
	Keys        []wireKey `xml:"AccessKeyMetadata>member"`
	IsTruncated *bool     `xml:"IsTruncated"`
	Marker      *string   `xml:"Marker"`
}

func listKeys(c *call) (any, error) {
	user, err := c.keyUser()
	if err != nil {
		return nil, err
	}
	all, err := c.iam.AccessKeys(c.ctx, c.who.Account, user)
	if err != nil {
		return nil, err
	}
	out := &keysOutput{IsTruncated: new(false)} // there are two at most
	for _, k := range all {
		out.Keys = append(out.Keys, toKey(user, k, false))
	}
	return out, nil
}

func updateKey(c *call) (any, error) {
	user, err := c.keyUser()
	if err != nil {
		return nil, err
	}
	switch *c.Status {
	case "Active", "Inactive":
		return nil, c.iam.SetAccessKey(c.ctx, c.who.Account, user, *c.AccessKeyID, *c.Status == "Inactive")
	}
	return nil, invalidChoice("status", *c.Status, "Active, Inactive")
}

func deleteKey(c *call) (any, error) {
	user, err := c.keyUser()
	if err != nil {
		return nil, err
	}
	return nil, c.iam.DeleteAccessKey(c.ctx, c.who.Account, user, *c.AccessKeyID)
}

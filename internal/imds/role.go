package imds

import (
	"encoding/json"
	"fmt"
	"time"
)

// Role is the role that an instance profile hands an instance.
type Role struct {
	Name        string
	Credentials func() (Credentials, error) // made when they are asked for
}

// Credentials are temporary credentials of a role's session.
type Credentials struct {
	AccessKey, Secret, Token string
	Updated, Expires         time.Time
}

// role tells which role the instance has and, if the path leads there, its
// credentials.
func (i *Instance) role(m *node, path []string) error {
	if i.Profile == "" {
		return nil
	}
	form := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	info, err := json.MarshalIndent(struct {
		Code, LastUpdated                     string
		InstanceProfileArn, InstanceProfileId string
	}{"Success", form(i.Launched), i.Profile, i.ProfileID}, "", "  ")
	if err != nil {
		return fmt.Errorf("instance profile: %w", err)
	}
	m.put(string(info), "iam", "info")
	if i.Role == nil {
		return nil
	}
	m.put("", "iam", "security-credentials", i.Role.Name)
	if len(path) != 5 || path[3] != "security-credentials" || path[4] != i.Role.Name {
		return nil
	}
	c, err := i.Role.Credentials()
	if err != nil {
		return fmt.Errorf("credentials of role %s: %w", i.Role.Name, err)
	}
	text, err := json.MarshalIndent(struct {
		Code, LastUpdated, Type, AccessKeyId, SecretAccessKey, Token, Expiration string
	}{"Success", form(c.Updated), "AWS-HMAC", c.AccessKey, c.Secret, c.Token, form(c.Expires)}, "", "  ")
	m.put(string(text), "iam", "security-credentials", i.Role.Name)
	return err
}

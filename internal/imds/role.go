package imds

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Role is the role that an instance profile hands an instance.
type Role struct {
	Name string
	// Credentials are made when they are asked for, and delivered by version
	// "1.0" or "2.0" of the service. The error wraps ErrNotTrusted if the role
	// does not let EC2 assume it.
	Credentials func(delivery string) (Credentials, error)
}

// ErrNotTrusted is returned by [Role.Credentials] of a role that EC2 may not
// assume.
var ErrNotTrusted = errors.New("the role does not trust the service")

// Credentials are temporary credentials of a role's session.
type Credentials struct {
	AccessKey, Secret, Token string
	Updated, Expires         time.Time
}

// trouble is what the documents of a role say when something is wrong with it.
type trouble struct{ Code, Message, LastUpdated string }

// role tells which role the instance has and, if the path leads there, its
// credentials.
func (i *Instance) role(m *node, path []string) error {
	if i.Profile == "" {
		return nil
	}
	since := form(i.ProfileSince)
	if i.ProfileGone {
		return putJSON(m, trouble{"InstanceProfileNotFound", fmt.Sprintf("Instance Profile with id %s cannot be found.", i.ProfileID), since}, "iam", "info")
	}
	err := putJSON(m, struct {
		Code, LastUpdated                     string
		InstanceProfileArn, InstanceProfileId string
	}{"Success", since, i.Profile, i.ProfileID}, "iam", "info")
	if err != nil || i.Role == nil {
		return err
	}
	place := []string{"iam", "security-credentials", i.Role.Name}
	m.put("", place...)
	if len(path) != 5 || path[3] != "security-credentials" || path[4] != i.Role.Name {
		return nil
	}
	c, err := i.Role.Credentials(i.delivery)
	if errors.Is(err, ErrNotTrusted) {
		return putJSON(m, trouble{"AssumeRoleUnauthorizedAccess", fmt.Sprintf("EC2 cannot assume the role %s.", i.Role.Name), since}, place...)
	}
	if err != nil {
		return fmt.Errorf("credentials of role %s: %w", i.Role.Name, err)
	}
	return putJSON(m, struct {
		Code, LastUpdated, Type, AccessKeyId, SecretAccessKey, Token, Expiration string
	}{"Success", form(c.Updated), "AWS-HMAC", c.AccessKey, c.Secret, c.Token, form(c.Expires)}, place...)
}

// putJSON sets a document at a path.
func putJSON(m *node, v any, path ...string) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(path, "/"), err)
	}
	m.put(string(text), path...)
	return nil
}

func form(t time.Time) string { return t.UTC().Format(time.RFC3339) }

package iamserver

import (
	"origami"
	"origami/internal/iam"
)

// absentOutput lists what IAM keeps for users and accounts and nobody has here:
// clients that empty an account before they delete it ask for all of it. Each
// operation has one of the lists.
type absentOutput struct {
	AccountAliases  []string `xml:"AccountAliases>member" nil:"omit"`
	MFADevices      []string `xml:"MFADevices>member" nil:"omit"`
	VirtualDevices  []string `xml:"VirtualMFADevices>member" nil:"omit"`
	SSHPublicKeys   []string `xml:"SSHPublicKeys>member" nil:"omit"`
	Certificates    []string `xml:"Certificates>member" nil:"omit"`
	Credentials     []string `xml:"ServiceSpecificCredentials>member" nil:"omit"`
	SAMLProviders   []string `xml:"SAMLProviderList>member" nil:"omit"`
	OpenIDProviders []string `xml:"OpenIDConnectProviderList>member" nil:"omit"`
	ServerCerts     []string `xml:"ServerCertificateMetadataList>member" nil:"omit"`
	IsTruncated     *bool    `xml:"IsTruncated"`
}

// list is the list of an operation, and whether it has pages.
func (o *absentOutput) list(operation string) (list *[]string, pages bool) {
	switch operation {
	case "ListAccountAliases":
		return &o.AccountAliases, true
	case "ListMFADevices":
		return &o.MFADevices, true
	case "ListVirtualMFADevices":
		return &o.VirtualDevices, true
	case "ListSSHPublicKeys":
		return &o.SSHPublicKeys, true
	case "ListSigningCertificates":
		return &o.Certificates, true
	case "ListServiceSpecificCredentials":
		return &o.Credentials, false
	case "ListSAMLProviders":
		return &o.SAMLProviders, false
	case "ListOpenIDConnectProviders":
		return &o.OpenIDProviders, false
	}
	return &o.ServerCerts, true // ListServerCertificates
}

// listAbsent answers with an empty list, of a user who is there if the operation
// is about one.
func listAbsent(c *call) (any, error) {
	if c.kind == origami.KindUser {
		if err := c.userExists(); err != nil {
			return nil, err
		}
	}
	out := new(absentOutput)
	list, pages := out.list(c.op)
	*list = []string{}
	if pages {
		out.IsTruncated = new(false)
	}
	return out, nil
}

// userExists finds the user whom a request is about: the one that it names, or
// else the caller.
func (c *call) userExists() error {
	name, err := c.keyUser()
	if err != nil || name == "" {
		return err
	}
	_, err = c.iam.Identity(c.ctx, c.who.Account, origami.KindUser, name)
	return err
}

// noLoginProfile says that a user has no password.
func noLoginProfile(c *call) (any, error) {
	if err := c.userExists(); err != nil {
		return nil, err
	}
	if c.name() == "" {
		return nil, errNoUser()
	}
	return nil, origami.Errorf(iam.CodeNoSuchEntity, "Login Profile for User %.64s cannot be found.", c.name())
}

// noPasswordPolicy says that the account has no rules for passwords.
func noPasswordPolicy(c *call) (any, error) {
	return nil, origami.Errorf(iam.CodeNoSuchEntity, "The Password Policy with domain name %s cannot be found.", c.who.Account)
}

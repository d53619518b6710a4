package iamserver

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"origami"
	"origami/internal/iam"
	"origami/internal/optional"
)

// nothing is the answer of operations whose answer has an element and nothing
// in it.
type nothing struct {
	Never *string `xml:"Never"`
}

// wireDocument is a policy document as answers have it: percent-encoded.
func wireDocument(s string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"))
}

type boundary struct {
	Type *string `xml:"PermissionsBoundaryType"`
	ARN  *string `xml:"PermissionsBoundaryArn"`
}

func wireBoundary(arn string) *boundary {
	if arn == "" {
		return nil
	}
	return &boundary{new("Policy"), &arn}
}

type wireUser struct {
	Path       *string    `xml:"Path"`
	UserName   *string    `xml:"UserName"`
	UserID     *string    `xml:"UserId"`
	ARN        *string    `xml:"Arn"`
	CreateDate *time.Time `xml:"CreateDate"`
	Boundary   *boundary  `xml:"PermissionsBoundary"`
	Tags       []tag      `xml:"Tags>member" nil:"omit"`
}

func toUser(i *origami.Identity, whole bool) wireUser {
	u := wireUser{Path: &i.Path, UserName: &i.Name, UserID: &i.ID, ARN: new(i.ARN()), CreateDate: &i.Created}
	if whole {
		u.Boundary, u.Tags = wireBoundary(i.Boundary), wireTags(i.Tags)
	}
	return u
}

type wireGroup struct {
	Path       *string    `xml:"Path"`
	GroupName  *string    `xml:"GroupName"`
	GroupID    *string    `xml:"GroupId"`
	ARN        *string    `xml:"Arn"`
	CreateDate *time.Time `xml:"CreateDate"`
}

func toGroup(i *origami.Identity, _ bool) wireGroup {
	return wireGroup{&i.Path, &i.Name, &i.ID, new(i.ARN()), &i.Created}
}

type wireRole struct {
	Path        *string    `xml:"Path"`
	RoleName    *string    `xml:"RoleName"`
	RoleID      *string    `xml:"RoleId"`
	ARN         *string    `xml:"Arn"`
	CreateDate  *time.Time `xml:"CreateDate"`
	Trust       *string    `xml:"AssumeRolePolicyDocument"`
	Description *string    `xml:"Description"`
	MaxSession  *int32     `xml:"MaxSessionDuration"`
	Boundary    *boundary  `xml:"PermissionsBoundary"`
	Tags        []tag      `xml:"Tags>member" nil:"omit"`
	LastUsed    *lastUsed  `xml:"RoleLastUsed"`
}

// lastUsed is empty: uses are not recorded.
type lastUsed struct {
	Region *string `xml:"Region"`
}

func toRole(i *origami.Identity, whole bool) wireRole {
	r := wireRole{
		Path: &i.Path, RoleName: &i.Name, RoleID: &i.ID, ARN: new(i.ARN()), CreateDate: &i.Created,
		Trust: wireDocument(i.Trust), Description: optional.Text(i.Description), MaxSession: new(int32(i.MaxSession / time.Second)),
	}
	if whole {
		r.Boundary, r.Tags, r.LastUsed = wireBoundary(i.Boundary), wireTags(i.Tags), &lastUsed{}
	}
	return r
}

type wirePolicy struct {
	PolicyName    *string    `xml:"PolicyName"`
	PolicyID      *string    `xml:"PolicyId"`
	ARN           *string    `xml:"Arn"`
	Path          *string    `xml:"Path"`
	Default       *string    `xml:"DefaultVersionId"`
	Attachments   *int32     `xml:"AttachmentCount"`
	BoundaryUsage *int32     `xml:"PermissionsBoundaryUsageCount"`
	IsAttachable  *bool      `xml:"IsAttachable"`
	Description   *string    `xml:"Description"`
	CreateDate    *time.Time `xml:"CreateDate"`
	UpdateDate    *time.Time `xml:"UpdateDate"`
	Tags          []tag      `xml:"Tags>member" nil:"omit"`
}

func toPolicy(p iam.ListedPolicy, whole bool) wirePolicy {
	w := wirePolicy{
		PolicyName: &p.Name, PolicyID: &p.ID, ARN: new(p.ARN()), Path: &p.Path, Default: versionID(p.Default),
		Attachments: new(int32(p.Attached)), BoundaryUsage: new(int32(p.Bounded)), IsAttachable: new(true),
		CreateDate: &p.Created, UpdateDate: &p.Updated,
	}
	if whole {
		w.Description, w.Tags = optional.Text(p.Description), wireTags(p.Tags)
	}
	return w
}

func versionID(n int) *string { return new("v" + strconv.Itoa(n)) }

type wireVersion struct {
	Document   *string    `xml:"Document"`
	VersionID  *string    `xml:"VersionId"`
	IsDefault  *bool      `xml:"IsDefaultVersion"`
	CreateDate *time.Time `xml:"CreateDate"`
}

type wireProfile struct {
	Path       *string    `xml:"Path"`
	Name       *string    `xml:"InstanceProfileName"`
	ID         *string    `xml:"InstanceProfileId"`
	ARN        *string    `xml:"Arn"`
	CreateDate *time.Time `xml:"CreateDate"`
	Roles      []wireRole `xml:"Roles>member"`
	Tags       []tag      `xml:"Tags>member" nil:"omit"`
}

func toProfile(p iam.Profile) wireProfile {
	w := wireProfile{Path: &p.Path, Name: &p.Name, ID: &p.ID, ARN: new(p.ARN()), CreateDate: &p.Created, Tags: wireTags(p.Tags)}
	if p.Role != nil {
		w.Roles = []wireRole{toRole(p.Role, false)}
	}
	return w
}

type wireKey struct {
	UserName   *string    `xml:"UserName"`
	ID         *string    `xml:"AccessKeyId"`
	Status     *string    `xml:"Status"`
	Secret     *string    `xml:"SecretAccessKey"`
	CreateDate *time.Time `xml:"CreateDate"`
}

// toKey shows a key; its secret only when it is made.
func toKey(user string, k origami.AccessKey, secret bool) wireKey {
	w := wireKey{UserName: optional.Text(user), ID: &k.ID, Status: new("Active"), CreateDate: &k.Created}
	if k.Disabled {
		w.Status = new("Inactive")
	}
	if secret {
		w.Secret = &k.Secret
	}
	return w
}

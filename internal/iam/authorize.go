package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// Resource is what an action is about: its ARN, and what is known of it and of
// the request for the conditions of policies.
type Resource struct {
	ARN  string
	Keys policy.Keys
}

// RootARN names the root of an account.
func RootARN(account origami.AccountID) string { return policy.RootARN(string(account)) }

// Root reports whether a caller is the root of its account, whom no policy
// concerns. Who asks on behalf of others need not collect resources for it.
func Root(who origami.Caller) bool { return who.Account != "" && who.ARN == RootARN(who.Account) }

// Authorize decides whether who may do an action, "ec2:RunInstances", to
// resources, all of which must be allowed; actions about none name none. The
// root of an account may do everything in it, others what their policies allow.
// What is not known to be allowed is denied: with UnauthorizedOperation for
// actions of EC2, whose message a caller who may can have decoded
// ([Service.Decode]), and with AccessDenied or AccessDeniedException for
// others.
func (s *Service) Authorize(ctx context.Context, who origami.Caller, action string, resources ...Resource) error {
	service, operation, ok := strings.Cut(action, ":")
	if !ok || service == "" || operation == "" {
		return denial(who, action, Resource{}, false, policy.IdentityBased)
	}
	if Root(who) && !strings.HasPrefix(who.AccessKey, "ASIA") {
		return nil
	}
	if len(resources) == 0 {
		resources = []Resource{{ARN: "*"}}
	}
	var refused *refusal
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		p, err := load(tx, who)
		if errors.Is(err, errGone) {
			return denial(who, action, resources[0], false, policy.IdentityBased)
		}
		if err != nil {
			return err
		}
		for _, r := range resources {
			request, err := p.request(tx, action, r)
			if err != nil {
				return err
			}
			allowed, denied := p.allows(request)
			if !allowed {
				refused = &refusal{who, request, denied, p.policies.Denials(request)}
				return denial(who, action, r, denied, p.policies.Blame(request))
			}
		}
		return nil
	})
	if refused != nil && service == "ec2" {
		return s.sealed(ctx, err, refused)
	}
	return err
}

// denial is the error of an action that is not allowed, in the words of its
// service. It blames a kind of policies.
func denial(who origami.Caller, action string, r Resource, explicit bool, blame string) *origami.Error {
	text := "User: " + who.ARN + " is not authorized to perform: " + action
	if r.ARN != "" && r.ARN != "*" {
		text += " on resource: " + r.ARN
	}
	if explicit {
		article := "a "
		if blame == policy.IdentityBased {
			article = "an "
		}
		text += " with an explicit deny in " + article + blame
	} else {
		text += " because no " + blame + " allows the " + action + " action"
	}
	switch service, _, _ := strings.Cut(action, ":"); service {
	case "iam", "sts", "autoscaling":
		return origami.Errorf(codeAccessDenied, "%s", text)
	case "kms", "ebs", "rbin", "ssm", "dlm", "imagebuilder":
		return origami.Errorf("AccessDeniedException", "%s", text)
	}
	return origami.Errorf(origami.CodeUnauthorizedOperation, "You are not authorized to perform this operation. %s", text)
}

// principal is a caller with everything that policies say about it.
type principal struct {
	who      origami.Caller
	identity *origami.Identity // user or role; nil of the root
	session  *origami.Session  // of temporary credentials, else nil
	place    place             // of the account
	policies policy.Policies
}

// errGone says that a caller's identity is gone since it was authenticated.
var errGone = errors.New("the principal does not exist any more")

// load finds a caller and its policies.
func load(tx *metadb.Tx, who origami.Caller) (*principal, error) {
	p := &principal{who: who}
	id, _, _ := strings.Cut(who.UserID, ":")
	if strings.HasPrefix(who.AccessKey, "ASIA") {
		t, err := tx.Session(who.AccessKey)
		if errors.Is(err, metadb.ErrNotFound) || err == nil && t.Account != who.Account {
			return nil, errGone
		}
		if err != nil {
			return nil, err
		}
		p.session, id = t, t.Identity
	}
	var err error
	if p.place, err = placeOf(tx, who.Account); err != nil {
		return nil, err
	}
	if Root(who) {
		p.policies.Identity = []*policy.Document{everything}
		return p, nil
	}
	i, err := tx.IdentityByID(id)
	if errors.Is(err, metadb.ErrNotFound) || err == nil && i.Account != who.Account {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	p.identity = i
	return p, p.collect(tx)
}

// collect reads all policies that concern the principal.
func (p *principal) collect(tx *metadb.Tx) error {
	sources := []*origami.Identity{p.identity}
	groups, err := groupsOf(tx, p.identity)
	if err != nil {
		return err
	}
	for _, i := range append(sources, groups...) {
		for _, text := range i.Inline {
			if err := p.add(text); err != nil {
				return err
			}
		}
		for _, arn := range i.Attached {
			m, err := managed(tx, i.Account, arn)
			if err != nil {
				return fmt.Errorf("policy %s of %s: %w", arn, i.ID, err)
			}
			if err := p.add(m.Version(m.Default).Document); err != nil {
				return err
			}
		}
	}
	if p.identity.Boundary != "" {
		m, err := managed(tx, p.identity.Account, p.identity.Boundary)
		if err != nil {
			return fmt.Errorf("boundary %s of %s: %w", p.identity.Boundary, p.identity.ID, err)
		}
		if p.policies.Boundary, err = policy.Parse(m.Version(m.Default).Document, policy.Identity); err != nil {
			return err
		}
	}
	if p.session == nil {
		return nil
	}
	for _, text := range p.session.Policies {
		d, err := policy.Parse(text, policy.Identity)
		if err != nil {
			return err
		}
		p.policies.Session = append(p.policies.Session, d)
	}
	return nil
}

func (p *principal) add(text string) error {
	d, err := policy.Parse(text, policy.Identity)
	if err == nil {
		p.policies.Identity = append(p.policies.Identity, d)
	}
	return err
}

// allows reports whether a request may be done, and whether an explicit denial
// stands against it.
func (p *principal) allows(r *policy.Request) (allowed, explicit bool) {
	// Sessions of users and roots cannot use IAM, since nobody proved a second
	// factor, nor make other credentials of themselves.
	if p.session != nil && p.session.Name == "" {
		switch service, operation, _ := strings.Cut(r.Action, ":"); {
		case service == "iam", service == "sts" && operation != "AssumeRole" && operation != "GetCallerIdentity":
			return false, false
		}
	}
	return p.policies.Decide(r)
}

// maxAgent bounds the user agent that policies see, in bytes: whoever asks says
// how long it is, and may have policies that take their time with it.
const maxAgent = 2048

// request is the question that policies answer.
func (p *principal) request(tx *metadb.Tx, action string, r Resource) (*policy.Request, error) {
	now := tx.Now()
	keys := make(policy.Keys, len(r.Keys)+20)
	for k, v := range r.Keys {
		keys[k] = slices.Clip(v)
	}
	who := p.who
	me := policy.Principal{Account: string(who.Account), ARN: who.ARN, ID: who.UserID}
	keys.Set("aws:PrincipalAccount", string(who.Account))
	keys.Set("aws:userid", who.UserID)
	kind, arn := "Account", who.ARN
	if i := p.identity; i != nil {
		if arn = i.ARN(); i.Kind == origami.KindRole {
			kind, me.Role = "AssumedRole", arn
		} else {
			kind = "User"
			keys.Set("aws:username", i.Name)
		}
		for k, v := range principalTags(i, p.session) {
			keys.Set("aws:PrincipalTag/"+k, v)
		}
	}
	keys.Set("aws:PrincipalArn", arn)
	keys.Set("aws:PrincipalType", kind)
	keys.Set("aws:CurrentTime", now.UTC().Format(time.RFC3339))
	keys.Set("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	keys.Set("aws:PrincipalIsAWSService", "false")
	keys.Set("aws:SecureTransport", strconv.FormatBool(who.Secure))
	if len(keys["aws:viaawsservice"]) == 0 {
		keys.Set("aws:ViaAWSService", "false")
	}
	keys.Set("aws:RequestedRegion", string(who.Region))
	if who.Address != "" {
		keys.Set("aws:SourceIp", who.Address)
	}
	if who.Agent != "" {
		keys.Set("aws:UserAgent", who.Agent[:min(len(who.Agent), maxAgent)])
	}
	if p.session != nil {
		keys.Set("aws:TokenIssueTime", p.session.Created.UTC().Format(time.RFC3339))
		keys.Set("aws:MultiFactorAuthPresent", "false")
		if p.session.SourceIdentity != "" {
			keys.Set("aws:SourceIdentity", p.session.SourceIdentity)
		}
		if i := p.session.Instance; i != nil {
			keys.Set("ec2:SourceInstanceARN", i.ARN)
			keys.Set("ec2:RoleDelivery", i.Delivery)
			keys.Set("aws:EC2InstanceSourceVPC", string(i.VPC))
			keys.Set("aws:EC2InstanceSourcePrivateIPv4", i.PrivateIP.String())
		}
	}
	if p.place.organization != "" {
		keys.Set("aws:PrincipalOrgID", string(p.place.organization))
		keys.Set("aws:PrincipalOrgPaths", p.place.path)
	}
	if err := p.ownerKeys(tx, keys, r.ARN); err != nil {
		return nil, err
	}
	return &policy.Request{Principal: me, Action: action, Resource: r.ARN, Keys: keys}, nil
}

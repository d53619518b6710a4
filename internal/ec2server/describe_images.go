package ec2server

import (
	"context"
	"slices"
	"strings"

	"origami"
	"origami/internal/ami"
	"origami/internal/ec2api"
	"origami/internal/iam"
	"origami/internal/metadb"
)

// DescribeImages lists the images that the caller may see.
func (s *Server) DescribeImages(ctx context.Context, who origami.Caller, in *ec2api.DescribeImagesInput) (*ec2api.DescribeImagesOutput, error) {
	if in.MaxResults != nil && len(in.ImageIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter imageIdSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeImages", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := imageProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	if err := disabledAsked(filters, deref(in.IncludeDisabled)); err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after, Expect: p.expect()}
	if q.IDs, err = parseImageIDs(in.ImageIds); err != nil {
		return nil, err
	}
	owners, aliases, err := parseOwners(who, in.Owners, iam.OwnerAliases)
	if err != nil {
		return nil, err
	}
	if q.ExecutableBy, err = parseGrantees(who, in.ExecutableUsers); err != nil {
		return nil, err
	}
	how := ami.Listing{ByID: len(q.IDs) > 0, IncludeDeprecated: deref(in.IncludeDeprecated), IncludeDisabled: deref(in.IncludeDisabled)}
	out := &ec2api.DescribeImagesOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		view, err := s.ami.View(tx, who)
		if err != nil {
			return err
		}
		if err := imagesExist(view, q.IDs); err != nil {
			return err
		}
		q.Owners = owners
		for _, a := range aliases {
			q.Owners = append(q.Owners, view.Owners(a)...)
		}
		if len(in.Owners) > 0 && len(q.Owners) == 0 {
			return nil // aliases that nobody has here
		}
		shown := func(i tagged[*origami.Image]) bool {
			return view.Lists(i.noun, how) && imageProperties.match(filters, imageView{i.noun, view}, i.tags)
		}
		found, next, err := collect(tx, who, p, tx.Images(q), func(i *origami.Image) string { return string(i.ID) }, shown)
		out.Images = slices.Grow(out.Images, len(found))
		for _, i := range found {
			out.Images = append(out.Images, wireImage(imageView{i.noun, view}, i.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// disabledAsked refuses a filter for disabled images in a request that leaves
// them out.
func disabledAsked(filters []origami.Filter, included bool) error {
	for _, f := range filters {
		if f.Name == "state" && slices.Contains(f.Values, string(origami.ImageDisabled)) && !included {
			return origami.Errorf(origami.CodeInvalidParameter,
				"When filtering by the 'disabled' state, 'IncludeDisabled' must be set to 'true' in the request.")
		}
	}
	return nil
}

// parseImageIDs checks the image IDs of a request. The error names the first
// bad one.
func parseImageIDs(in []string) ([]string, error) {
	for _, id := range in {
		if _, err := origami.ParseImageID(id); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// imagesExist names the images that the caller may not see or that do not
// exist, all in one error, as EC2 does.
func imagesExist(view *ami.View, ids []string) error {
	missing, err := view.Missing(ids)
	if err != nil {
		return err
	}
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return origami.NotFound(origami.ImageID(missing[0]))
	}
	return origami.Errorf(origami.CodeInvalidAMIIDNotFound, "The image ids '[%s]' do not exist", strings.Join(missing, ", "))
}

// parseOwners reads the owners that a list is limited to: accounts, and which
// of the known aliases.
func parseOwners(who origami.Caller, in, known []string) (accounts []origami.AccountID, aliases []string, err error) {
	for _, o := range in {
		switch {
		case o == "self":
			accounts = append(accounts, who.Account)
		case slices.Contains(known, o):
			aliases = append(aliases, o)
		case isAccountID(o):
			accounts = append(accounts, origami.AccountID(o))
		default:
			return nil, nil, invalidUser(o)
		}
	}
	return accounts, aliases, nil
}

// parseGrantees reads the accounts that must be permitted.
func parseGrantees(who origami.Caller, in []string) ([]string, error) {
	var out []string
	for _, g := range in {
		switch {
		case g == "self":
			out = append(out, string(who.Account))
		case g == "all", isAccountID(g):
			out = append(out, g)
		default:
			return nil, invalidUser(g)
		}
	}
	return out, nil
}

func isAccountID(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

func invalidUser(s string) error {
	if len(s) > 64 {
		s = s[:64]
	}
	return origami.Errorf(origami.CodeInvalidUserIDMalformed, "Invalid user id: %q", s)
}

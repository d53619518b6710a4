package ec2server

import (
	"context"
	"slices"
	"strings"
	"time"

	"origami"
	"origami/internal/ec2api"
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
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after, Expect: p.expect()}
	for _, id := range in.ImageIds {
		if _, err := origami.ParseImageID(id); err != nil {
			return nil, err
		}
		q.IDs = append(q.IDs, id)
	}
	owners, err := parseOwners(who, in.Owners, imageAliases)
	if err != nil {
		return nil, err
	}
	q.Owners = owners
	if q.ExecutableBy, err = parseGrantees(who, in.ExecutableUsers); err != nil {
		return nil, err
	}
	if len(in.Owners) > 0 && len(owners) == 0 && len(q.IDs) == 0 {
		return &ec2api.DescribeImagesOutput{}, nil // aliases that own nothing here
	}
	out := &ec2api.DescribeImagesOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		if err := imagesExist(tx, who, q.IDs); err != nil {
			return err
		}
		if len(in.Owners) > 0 && len(owners) == 0 {
			return nil
		}
		shown := func(i tagged[*origami.Image]) bool {
			return s.listed(who, in, i.noun) && imageProperties.match(filters, i.noun, i.tags)
		}
		found, next, err := collect(tx, who, p, tx.Images(q), func(i *origami.Image) string { return string(i.ID) }, shown)
		out.Images = slices.Grow(out.Images, len(found))
		for _, i := range found {
			out.Images = append(out.Images, wireImage(who, i.noun, i.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// listed reports whether a list shows an image that the caller may see:
// deprecated images of others and disabled ones only when asked for.
func (s *Server) listed(who origami.Caller, in *ec2api.DescribeImagesInput, i *origami.Image) bool {
	byID := len(in.ImageIds) > 0
	if i.State == origami.ImageDisabled && (i.Owner != who.Account || !byID && !deref(in.IncludeDisabled)) {
		return false
	}
	deprecated := !i.DeprecationTime.IsZero() && !i.DeprecationTime.After(time.Now())
	return !deprecated || byID || i.Owner == who.Account || deref(in.IncludeDeprecated)
}

// imagesExist names the images that the caller may not see or that do not
// exist, all in one error, as EC2 does.
func imagesExist(tx *metadb.Tx, who origami.Caller, ids []string) error {
	seen, err := tx.VisibleImages(who.Region, who.Account, ids)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return seen[id] })
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return origami.NotFound(origami.ImageID(missing[0]))
	}
	return origami.Errorf(origami.CodeInvalidAMIIDNotFound, "The image ids '[%s]' do not exist", strings.Join(missing, ", "))
}

// imageAliases are owners that accounts of this installation cannot be.
var imageAliases = []string{"amazon", "aws-marketplace", "aws-backup-vault"}

// parseOwners reads the owners that a list is limited to. Aliases are known
// and own nothing here.
func parseOwners(who origami.Caller, in, aliases []string) ([]origami.AccountID, error) {
	var out []origami.AccountID
	for _, o := range in {
		switch {
		case o == "self":
			out = append(out, who.Account)
		case slices.Contains(aliases, o):
		case isAccountID(o):
			out = append(out, origami.AccountID(o))
		default:
			return nil, invalidUser(o)
		}
	}
	return out, nil
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

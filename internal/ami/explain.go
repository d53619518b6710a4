package ami

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"origami"
	"origami/internal/metadb"
)

// Verdict says whether an account may do something with an image, and why.
type Verdict struct {
	Allowed bool         `json:"allowed"`
	Code    origami.Code `json:"code,omitempty"` // that a refused request gets
	Reason  string       `json:"reason"`
}

// Access is what an account may do with an image.
type Access struct {
	Account origami.AccountID `json:"accountId"`
	// Discover is whether plain lists show the image. One that they leave out
	// for its age or state may still be found by its ID.
	Discover Verdict `json:"discover"`
	Launch   Verdict `json:"launch"`
	Copy     Verdict `json:"copy"` // within its region or to another
}

// Explain tells what accounts may do with an image of any owner at a time, and
// why not. It asks what answers DescribeImages, RunInstances and CopyImage. It
// is for who runs the installation: the reasons tell what accounts are not
// told. Rights on the keys of encrypted snapshots are not considered.
func Explain(tx *metadb.Tx, now time.Time, region origami.Region, id origami.ImageID, accounts []origami.AccountID) ([]Access, error) {
	s := &Service{now: func() time.Time { return now }}
	img, err := tx.Image(region, metadb.System, id)
	if err != nil {
		return nil, err
	}
	var out []Access
	for _, account := range accounts {
		who := origami.Caller{Account: account, Region: region}
		granted, err := grant(tx, img, account)
		if err != nil {
			return nil, err
		}
		a := Access{Account: account}
		for _, ask := range []struct {
			verdict *Verdict
			err     error
		}{
			{&a.Discover, s.discover(tx, who, id)},
			{&a.Launch, second(s.Resolve(tx, who, id))},
			{&a.Copy, second(s.Source(tx, who, region, id))},
		} {
			if *ask.verdict, err = verdict(granted, ask.err); err != nil {
				return nil, err
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func second[T any](_ T, err error) error { return err }

// discover refuses an image that the caller's plain lists do not show.
func (s *Service) discover(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	v, img, err := s.find(tx, who, id)
	if err != nil {
		return err
	}
	if hidden := v.unlisted(img, Listing{}); hidden != nil {
		return &refusal{errUnlisted, hidden}
	}
	return nil
}

// errUnlisted is what no request gets: a list leaves the image out.
var errUnlisted = &origami.Error{}

// verdict makes a verdict of the error of an attempt. An error that does not
// refuse but fails is returned.
func verdict(granted string, err error) (Verdict, error) {
	if err == nil {
		return Verdict{Allowed: true, Reason: granted}, nil
	}
	var e *origami.Error
	if !errors.As(err, &e) {
		return Verdict{}, err
	}
	reason := e.Message
	if why := reasonOf(err); why != nil {
		reason = why.Error()
	}
	return Verdict{Code: e.Code, Reason: reason}, nil
}

// grant says through what an account may use an image, "" if through nothing.
func grant(tx *metadb.Tx, img *origami.Image, account origami.AccountID) (string, error) {
	if img.Owner == account {
		return "the account owns the image", nil
	}
	means, err := tx.Principals(account)
	if err != nil {
		return "", err
	}
	through := ""
	for _, o := range img.Organizations {
		if slices.Contains(means, string(o)) {
			through = fmt.Sprintf("the image is shared with %s", o)
		}
	}
	switch {
	case slices.Contains(img.SharedWith, account):
		return "the image is shared with the account", nil
	case img.Public:
		through = cmp.Or(through, "the image is public")
	}
	return through, nil
}

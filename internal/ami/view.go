package ami

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"origami"
	"origami/internal/metadb"
)

// View is what an account sees images by, at one moment: its settings of
// Allowed AMIs in the region and the aliases of owners. It is for one
// transaction.
type View struct {
	tx      *metadb.Tx
	who     origami.Caller
	now     time.Time
	allowed origami.AllowedImages
	aliases map[origami.AccountID]string
}

// View reads how a caller sees the images of its region.
func (s *Service) View(tx *metadb.Tx, who origami.Caller) (*View, error) {
	v := &View{tx: tx, who: who, now: s.now().UTC()}
	var err error
	if v.aliases, err = tx.OwnerAliases(); err != nil {
		return nil, err
	}
	v.allowed, err = allowedImages(tx, who)
	return v, err
}

// Alias is the alias of the owner of an image, or "".
func (v *View) Alias(img *origami.Image) string { return v.aliases[img.Owner] }

// Owners are the accounts with an alias.
func (v *View) Owners(alias string) []origami.AccountID {
	var out []origami.AccountID
	for account, a := range v.aliases {
		if a == alias {
			out = append(out, account)
		}
	}
	slices.Sort(out)
	return out
}

// ImageAllowed tells whether an image meets the criteria of Allowed AMIs; nil
// while these are disabled.
func (v *View) ImageAllowed(img *origami.Image) *bool {
	if v.allowed.State != origami.AllowedImagesAudit && v.allowed.State != origami.AllowedImagesEnabled {
		return nil
	}
	ok := v.meets(img)
	return &ok
}

// refuses tells why Allowed AMIs hides an image, or nil if it does not.
func (v *View) refuses(img *origami.Image) error {
	if v.allowed.State != origami.AllowedImagesEnabled || v.meets(img) {
		return nil
	}
	return fmt.Errorf("the Allowed AMIs settings of account %s do not allow the image", v.who.Account)
}

// LastLaunched is when an image was launched last, as its owner sees it: a day
// late. It is zero for others, and for an image that was never launched.
func (v *View) LastLaunched(img *origami.Image) time.Time {
	if img.Owner != v.who.Account || v.now.Sub(img.LastLaunched) < launchDelay {
		return time.Time{}
	}
	return img.LastLaunched
}

// launchDelay is how long a launch stays unreported.
const launchDelay = 24 * time.Hour

// Protection says whether an image can be deregistered, in the words of its
// attribute deregistrationProtection.
func (v *View) Protection(img *origami.Image) string { return protection(img, v.now) }

// Listing is what a list of images was asked for.
type Listing struct {
	ByID              bool // names its images
	IncludeDeprecated bool
	IncludeDisabled   bool
}

// Lists reports whether a list shows an image that metadb says the caller may
// see. Deprecated images of others and disabled ones are shown only when asked
// for, and what Allowed AMIs hides is not.
func (v *View) Lists(img *origami.Image, l Listing) bool { return v.unlisted(img, l) == nil }

// unlisted tells why a list does not show an image, or nil if it does.
func (v *View) unlisted(img *origami.Image, l Listing) error {
	mine := img.Owner == v.who.Account
	switch {
	case img.Gone():
		return gone(img)
	case img.State == origami.ImageDisabled && !l.ByID && !l.IncludeDisabled:
		return errors.New("the image is disabled: lists show it only with IncludeDisabled")
	}
	if err := v.refuses(img); err != nil {
		return err
	}
	deprecated := !img.DeprecationTime.IsZero() && !img.DeprecationTime.After(v.now)
	if deprecated && !l.ByID && !mine && !l.IncludeDeprecated {
		return fmt.Errorf("the image is deprecated since %s: lists show it only with IncludeDeprecated", img.DeprecationTime.Format(time.RFC3339))
	}
	return nil
}

// gone says where an image went.
func gone(img *origami.Image) error {
	if img.State == origami.ImageBinned {
		return fmt.Errorf("the image is in the recycle bin until %s", img.Bin.Exit.UTC().Format(time.RFC3339))
	}
	return errors.New("the image is deregistered")
}

// Find finds an image for the caller to look at: it exists and the caller may
// discover it. Otherwise the error is InvalidAMIID.NotFound. A deregistered
// image is found; its State says so.
func (v *View) Find(id origami.ImageID) (*origami.Image, error) {
	return v.find(v.who.Region, id)
}

// Missing lists those of some images that a list by ID has to complain about to
// the caller: they do not exist or are hidden from it. A deregistered image that
// the caller still has to do with is not among them, though no list shows it.
func (v *View) Missing(ids []string) ([]string, error) {
	seen, err := v.tx.VisibleImages(v.who.Region, v.who.Account, ids)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, id := range ids {
		hidden := !seen[id]
		if !hidden && v.allowed.State == origami.AllowedImagesEnabled {
			_, err := v.Find(origami.ImageID(id))
			if hidden = errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}); err != nil && !hidden {
				return nil, err
			}
		}
		if !hidden {
			continue
		}
		remembered, err := v.remembers(origami.ImageID(id))
		if err != nil {
			return nil, err
		}
		if !remembered {
			missing = append(missing, id)
		}
	}
	return missing, nil
}

// remembers reports whether an image is deregistered and its ID still means
// something to the caller: it was its own not long ago, or it has instances of it.
func (v *View) remembers(id origami.ImageID) (bool, error) {
	img, err := v.tx.Image(v.who.Region, metadb.System, id)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}) {
		return false, nil
	}
	if err != nil || img.State != origami.ImageDeregistered {
		return false, err
	}
	if img.Owner == v.who.Account && v.now.Sub(img.Deregistered) < tombstoneLife {
		return true, nil
	}
	users, err := v.tx.CountImageInstances(v.who.Region, id)
	return slices.ContainsFunc(users, func(u metadb.ImageOf) bool { return u.Account == v.who.Account }), err
}

func (v *View) find(region origami.Region, id origami.ImageID) (*origami.Image, error) {
	img, err := v.tx.Image(region, v.who.Account, id)
	if err != nil {
		return nil, v.explain(err, region, id)
	}
	if hidden := v.refuses(img); hidden != nil {
		return nil, because(origami.NotFound(id), hidden)
	}
	return img, nil
}

// explain gives a not-found error the reason that the image exists and the
// caller may not know it.
func (v *View) explain(missing error, region origami.Region, id origami.ImageID) error {
	if !errors.Is(missing, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}) {
		return missing
	}
	switch img, err := v.tx.Image(region, metadb.System, id); {
	case errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}):
		return missing
	case err != nil:
		return err
	case img.Gone():
		return because(missing, gone(img))
	case img.State == origami.ImageDisabled:
		return because(missing, errors.New("the image is disabled, and only its owner sees it"))
	}
	return because(missing, fmt.Errorf("the image is not shared with account %s", v.who.Account))
}

// refusal is an error with the reason for it, which the caller is not told.
type refusal struct {
	error
	reason error
}

func (r *refusal) Unwrap() error { return r.error }

// because gives an error a reason, for [Service.Explain].
func because(err, reason error) error { return &refusal{err, reason} }

// reasonOf is the reason of an error, or nil if it says all itself.
func reasonOf(err error) error {
	var r *refusal
	if errors.As(err, &r) {
		return r.reason
	}
	return nil
}

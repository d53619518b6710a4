package ami

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"origami"
	"origami/internal/iam"
	"origami/internal/metadb"
)

// settingAllowed is the name of the account's setting.
const settingAllowed = "allowed-images"

// Bounds of the criteria of Allowed AMIs.
const (
	maxCriteria      = 10
	maxProviders     = 200
	maxProductCodes  = 50
	maxImageNames    = 50
	maxProductCode   = 25
	maxCriterionDays = 1<<31 - 1
)

func allowedImages(tx *metadb.Tx, who origami.Caller) (origami.AllowedImages, error) {
	a := origami.AllowedImages{State: origami.AllowedImagesDisabled}
	text, err := tx.AccountSetting(who.Region, who.Account, settingAllowed)
	if errors.Is(err, metadb.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return a, fmt.Errorf("decode the setting %s: %w", settingAllowed, err)
	}
	return a, nil
}

func putAllowedImages(tx *metadb.Tx, who origami.Caller, a origami.AllowedImages) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode the setting %s: %w", settingAllowed, err)
	}
	return tx.PutAccountSetting(who.Region, who.Account, settingAllowed, string(text))
}

// AllowedImages are the caller's settings of Allowed AMIs.
func (s *Service) AllowedImages(tx *metadb.Tx, who origami.Caller) (origami.AllowedImages, error) {
	return allowedImages(tx, who)
}

// SetAllowedImages switches Allowed AMIs on, off, or to showing only what it
// would do. The criteria stay.
func (s *Service) SetAllowedImages(tx *metadb.Tx, who origami.Caller, state origami.AllowedImagesState) error {
	a, err := allowedImages(tx, who)
	if err != nil {
		return err
	}
	a.State = state
	return putAllowedImages(tx, who, a)
}

// ReplaceImageCriteria replaces all criteria of Allowed AMIs. Without any, only
// own images are allowed.
func (s *Service) ReplaceImageCriteria(tx *metadb.Tx, who origami.Caller, criteria []origami.ImageCriterion) error {
	if len(criteria) > maxCriteria {
		return origami.Errorf(origami.CodeInvalidParameterValue, "The maximum number of image criteria is %d.", maxCriteria)
	}
	for _, c := range criteria {
		if err := checkCriterion(c); err != nil {
			return err
		}
	}
	a, err := allowedImages(tx, who)
	if err != nil {
		return err
	}
	a.Criteria = criteria
	return putAllowedImages(tx, who, a)
}

func checkCriterion(c origami.ImageCriterion) error {
	if len(c.Providers)+len(c.ProductCodes)+len(c.Names) == 0 && c.MaxDaysOld == nil && c.MaxDaysRetired == nil {
		return origami.Errorf(origami.CodeInvalidParameterValue, "An image criterion must contain at least one condition.")
	}
	for _, list := range []struct {
		name   string
		values []string
		most   int
		ok     func(string) bool
		rule   string
	}{
		{"imageProvider", c.Providers, maxProviders, isProvider, "It must be amazon, aws-marketplace, aws-backup-vault, an account ID, or none."},
		{"marketplaceProductCode", c.ProductCodes, maxProductCodes, isProductCode, "It must have 1 to 25 letters and digits."},
		{"imageName", c.Names, maxImageNames, isNamePattern, "It must have 1 to 128 characters, at least 3 with '?', of letters, digits, spaces and ( ) [ ] . / - ' @ _ * ?."},
	} {
		if len(list.values) > list.most {
			return origami.Errorf(origami.CodeInvalidParameterValue, "The maximum number of values of %s is %d.", list.name, list.most)
		}
		for _, v := range list.values {
			if !list.ok(v) {
				return invalidValue(list.name, v, list.rule)
			}
		}
	}
	if slices.Contains(c.Providers, origami.ProviderNone) && len(c.Providers) > 1 {
		return invalidValue("imageProvider", origami.ProviderNone, "It cannot be combined with other providers.")
	}
	for _, n := range []*int64{c.MaxDaysOld, c.MaxDaysRetired} {
		if n != nil && (*n < 0 || *n > maxCriterionDays) {
			return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%d) for a number of days is invalid. It must be between 0 and %d.", *n, int64(maxCriterionDays))
		}
	}
	return nil
}

func isProvider(s string) bool {
	return s == origami.ProviderNone || slices.Contains(iam.OwnerAliases, s) || len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

func isProductCode(s string) bool {
	return s != "" && len(s) <= maxProductCode && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	})
}

func isNamePattern(s string) bool {
	n := utf8.RuneCountInString(s)
	if n < 1 || n > 128 || n < 3 && strings.Contains(s, "?") {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return !nameCharacter(c) && c != '*' && c != '?' })
}

// meets reports whether an image meets the criteria of Allowed AMIs, enforced
// or not: it is the caller's own, or one criterion matches.
func (v *View) meets(img *origami.Image) bool {
	return img.Owner == v.who.Account ||
		slices.ContainsFunc(v.allowed.Criteria, func(c origami.ImageCriterion) bool { return v.matches(c, img) })
}

// matches reports whether every given member of a criterion matches an image.
func (v *View) matches(c origami.ImageCriterion, img *origami.Image) bool {
	if len(c.Providers) > 0 && !slices.ContainsFunc(c.Providers, func(p string) bool {
		return p == string(img.Owner) || p == v.aliases[img.Owner]
	}) {
		return false
	}
	if len(c.ProductCodes) > 0 && !slices.ContainsFunc(img.ProductCodes, func(p origami.ProductCode) bool {
		return slices.Contains(c.ProductCodes, p.Code)
	}) {
		return false
	}
	if len(c.Names) > 0 && !slices.ContainsFunc(c.Names, func(p string) bool { return origami.MatchPattern(p, img.Name) }) {
		return false
	}
	if c.MaxDaysOld != nil && v.daysOver(img.Created, *c.MaxDaysOld) {
		return false
	}
	return c.MaxDaysRetired == nil || img.DeprecationTime.IsZero() || img.DeprecationTime.After(v.now) ||
		*c.MaxDaysRetired > 0 && !v.daysOver(img.DeprecationTime, *c.MaxDaysRetired)
}

// daysOver reports whether t is more than a number of days ago.
func (v *View) daysOver(t time.Time, days int64) bool {
	// In days, since so many nanoseconds are more than a Duration holds.
	return v.now.Sub(t) > time.Duration(min(days, 36_500))*24*time.Hour
}

package origami

// AllowedImages are the settings of an account in a region that say which
// images of others it may discover and use. The zero value allows all.
type AllowedImages struct {
	State    AllowedImagesState
	Criteria []ImageCriterion // one of which an image must meet
}

// AllowedImagesState says what the criteria do.
type AllowedImagesState string

// The states of the settings.
const (
	AllowedImagesDisabled AllowedImagesState = "disabled"
	AllowedImagesAudit    AllowedImagesState = "audit-mode" // show what would be
	AllowedImagesEnabled  AllowedImagesState = "enabled"
)

// ImageCriterion is met by an image that all of its given members match. A
// list matches if one of its values does.
type ImageCriterion struct {
	Providers      []string // account numbers, owner aliases, or "none" alone
	ProductCodes   []string
	Names          []string // with * and ?
	MaxDaysOld     *int64   // since the creation
	MaxDaysRetired *int64   // since the deprecation
}

// ProviderNone is the provider that no image has.
const ProviderNone = "none"

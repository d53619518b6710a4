package origami

import "time"

// ImageUsageReportID identifies a report on the use of an image: "amiur-…".
type ImageUsageReportID string

// NewImageUsageReportID makes a new ID of a usage report.
func NewImageUsageReportID() ImageUsageReportID { return ImageUsageReportID(newID("amiur")) }

// ParseImageUsageReportID checks the shape of an ID of a usage report.
func ParseImageUsageReportID(s string) (ImageUsageReportID, error) {
	return ImageUsageReportID(s), parse(s, "amiur")
}

// The kinds of resources that refer to images.
const (
	InstanceResource       = "ec2:Instance"
	LaunchTemplateResource = "ec2:LaunchTemplate"
	ParameterResource      = "ssm:Parameter"
	ImageRecipeResource    = "imagebuilder:ImageRecipe"
	ContainerRecipe        = "imagebuilder:ContainerRecipe"
)

// ImageUse selects resources of one kind that refer to an image.
type ImageUse struct {
	Resource string   // InstanceResource and so on
	States   []string // of instances; empty means any
	Depth    int64    // newest versions of a launch template that are looked at
}

// ImageUsageReport tells who used an image of its owner's, at one time.
type ImageUsageReport struct {
	ID       ImageUsageReportID
	Region   Region
	Owner    AccountID
	Image    ImageID
	Uses     []ImageUse
	Accounts []AccountID // that were asked about; none means all
	State    string      // "available"
	Created  time.Time
	Expires  time.Time
	Entries  []ImageUsage
}

// ImageUsage is how many resources of one kind in one account refer to an
// image.
type ImageUsage struct {
	Account  AccountID
	Resource string
	Count    int64
}

package origami

import (
	"encoding/json"
	"fmt"
	"time"
)

// LaunchTemplate is a named set of launch parameters, with versions.
type LaunchTemplate struct {
	ID        LaunchTemplateID
	Region    Region
	Owner     AccountID
	Name      string
	Created   time.Time
	CreatedBy string // ARN
	Default   int64  // version that is meant when none is given
	Latest    int64  // the newest version that exists
	Last      int64  // the highest number ever given to a version
}

// LaunchTemplateVersion is one version of a launch template. It never changes.
type LaunchTemplateVersion struct {
	Template    LaunchTemplateID
	Region      Region
	Owner       AccountID
	Number      int64 // from 1
	Description string
	Created     time.Time
	CreatedBy   string // ARN
	// Data are the parameters of a launch: a JSON object whose members are
	// named as those of RequestLaunchTemplateData in the API model.
	Data json.RawMessage
}

// Key identifies the version among all versions of all templates, in order of
// the numbers.
func (v *LaunchTemplateVersion) Key() string { return fmt.Sprintf("%s:%010d", v.Template, v.Number) }

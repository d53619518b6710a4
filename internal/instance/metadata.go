package instance

import (
	"slices"

	"origami"
)

// decideMetadata checks the metadata options and completes them: what the
// request gives, then what the image demands, then the defaults.
func decideMetadata(o origami.MetadataOptions, img *origami.Image) (origami.MetadataOptions, error) {
	v2 := img.IMDSSupport == "v2.0"
	tokens, hops := "optional", 1
	if v2 {
		tokens, hops = "required", 2
	}
	for _, f := range []struct {
		name   string
		value  *string
		preset string
		valid  []string
	}{
		{"httpEndpoint", &o.Endpoint, "enabled", []string{"enabled", "disabled"}},
		{"httpTokens", &o.Tokens, tokens, []string{"optional", "required"}},
		{"instanceMetadataTags", &o.InstanceTags, "disabled", []string{"enabled", "disabled"}},
		{"httpProtocolIpv6", &o.IPv6, "disabled", []string{"enabled", "disabled"}},
	} {
		if *f.value == "" {
			*f.value = f.preset
		}
		if !slices.Contains(f.valid, *f.value) {
			return o, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid.", *f.value, f.name)
		}
	}
	if o.HopLimit == 0 {
		o.HopLimit = hops
	}
	if o.HopLimit < 1 || o.HopLimit > 64 {
		return o, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%d) for parameter httpPutResponseHopLimit is invalid. It must be between 1 and 64.", o.HopLimit)
	}
	if o.IPv6 == "enabled" {
		return o, origami.Errorf(origami.CodeUnsupportedOperation, "The IPv6 endpoint of the instance metadata service is not supported.")
	}
	return o, nil
}

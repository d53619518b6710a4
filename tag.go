package origami

import (
	"strings"
	"unicode/utf8"
)

// Bounds of tags, in characters.
const (
	MaxTags        = 50
	MaxTagKeyLen   = 128
	MaxTagValueLen = 256
)

// Tags are the tags of one resource that one account gave it: values by key.
// Other accounts do not see them.
type Tags map[string]string

// Validate checks every key and value, and their number.
func (t Tags) Validate() error {
	if len(t) > MaxTags {
		return Errorf(CodeTagLimitExceeded, "The maximum number of Tags for a resource has been reached.")
	}
	for k, v := range t {
		if err := ValidateTagKey(k); err != nil {
			return err
		}
		if utf8.RuneCountInString(v) > MaxTagValueLen {
			return Errorf(CodeInvalidParameterValue, "Tag value exceeds the maximum length of %d characters", MaxTagValueLen)
		}
		if !utf8.ValidString(v) {
			return Errorf(CodeInvalidParameterValue, "Tag value is not valid UTF-8")
		}
	}
	return nil
}

// ValidateTagKey checks a tag key that a user chose.
func ValidateTagKey(k string) error {
	switch {
	case k == "":
		return Errorf(CodeInvalidTagKeyMalformed, "Tag key cannot be empty")
	case utf8.RuneCountInString(k) > MaxTagKeyLen:
		return Errorf(CodeInvalidParameterValue, "Tag key exceeds the maximum length of %d characters", MaxTagKeyLen)
	case !utf8.ValidString(k):
		return Errorf(CodeInvalidParameterValue, "Tag key is not valid UTF-8")
	case len(k) >= 4 && strings.EqualFold(k[:4], "aws:"):
		return Errorf(CodeInvalidParameterValue, "Tag keys starting with 'aws:' are reserved for internal use")
	}
	return nil
}

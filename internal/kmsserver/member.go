package kmsserver

import (
	"encoding/base64"
	"strings"

	"origami"
	"origami/internal/kms"
)

// unsupported refuses a member that is known and not served.
func unsupported(name string) error {
	return origami.Errorf(kms.CodeUnsupported, "The parameter %s is not supported by this service.", name)
}

// symmetric is the one algorithm of symmetric keys.
const symmetric = "SYMMETRIC_DEFAULT"

// checkAlgorithm refuses algorithms of other keys.
func checkAlgorithm(name *string) error {
	if name != nil && *name != symmetric {
		return origami.Errorf(kms.CodeInvalidKeyUsage, "Algorithm %s is incompatible with key spec %s.", *name, symmetric)
	}
	return nil
}

// defaultLimit is the size of a page if none is asked for.
const (
	defaultLimit      = 100
	defaultShortLimit = 50 // of grants and tags
)

func limitOf(asked *int32, otherwise int) int {
	if asked == nil {
		return otherwise
	}
	return int(*asked)
}

// A marker is base64 of "1 ", the name of the list, a space, and the last
// thing on the page before.
var markerEncoding = base64.RawURLEncoding.Strict()

func formatMarker(list, after string, more bool) *string {
	if !more {
		return nil
	}
	return new(markerEncoding.EncodeToString([]byte("1 " + list + " " + after)))
}

func parseMarker(list string, marker *string) (string, error) {
	if marker == nil {
		return "", nil
	}
	text, err := markerEncoding.DecodeString(*marker)
	after, ok := strings.CutPrefix(string(text), "1 "+list+" ")
	if err != nil || !ok {
		return "", origami.Errorf(kms.CodeInvalidMarker, "The marker is not one of this list.")
	}
	return after, nil
}

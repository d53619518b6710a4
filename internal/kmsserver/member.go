package kmsserver

import (
	"encoding/base64"
	"strings"

	"origami"
	"origami/internal/kms"
)

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// some is a pointer to v, or nil if v is the zero value.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func ptr[T any](v T) *T { return &v }

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
	return ptr(markerEncoding.EncodeToString([]byte("1 " + list + " " + after)))
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

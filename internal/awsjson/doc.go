// Package awsjson is the codec of Amazon's JSON 1.1 protocol: a POST whose
// header X-Amz-Target names the operation and whose body is a JSON object.
//
// [ParseRequest] finds operation and body. [Decode] fills a struct from the
// body; [Encode] writes one as an answer, [EncodeError] an error.
//
// # Structs
//
// Exported fields travel under the name in their json tag. Their types are
// pointers to string, bool, int32, int64, float64, [time.Time] and structs;
// []byte for blobs (base64 on the wire); slices of strings and structs;
// map[string]string; and [Present]. A nil field is absent, as is null. Times are
// seconds since 1970, with a fraction.
//
// The tag valid bounds what is taken, with rules separated by commas:
//
//	required   the member must be there
//	min=N      length of a string (in characters) or blob, value of a number,
//	max=N      number of elements of a list or map
//	enum=A|B   the string is one of these
//
// For lists of strings, min and max count elements; the tag each has the rules of
// every element, and the tag pattern a regular expression that a string, or
// every element, matches as a whole.
//
// # Hostile input
//
// A body is taken once it is valid UTF-8 and well-formed JSON, nested to no more
// than 32 levels, without a member given twice or one that the struct does not
// have. What has the wrong type is a SerializationException; what breaks a rule
// is a ValidationException that names all broken rules, as Amazon's does, except
// that it does not repeat blobs.
package awsjson

import (
	"fmt"
)

// ContentType is that of requests and answers.
const ContentType = "application/x-amz-json-1.1"

// Codes of the errors that the codec gives.
const (
	CodeSerialization    = "SerializationException"
	CodeValidation       = "ValidationException"
	CodeUnknownOperation = "UnknownOperationException"
)

// Error is a request that does not fit its operation: a code that programs
// compare and a message for people. Both are meant for the sender.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func malformed(format string, args ...any) error {
	return &Error{CodeSerialization, fmt.Sprintf(format, args...)}
}

// Present is the type of a member of which only its presence counts: one that is
// known and not supported. Its value may be anything.
type Present bool

// clip shortens what a sender wrote to what fits into a message.
func clip(s string) string {
	const most = 128
	runes := 0
	for i := range s {
		if runes++; runes > most {
			return s[:i] + "..."
		}
	}
	return s
}

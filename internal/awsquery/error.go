package awsquery

import "fmt"

// Codes of the errors that Decode returns, in the words of EC2.
const (
	codeInvalidCharacter = "InvalidCharacter"
	codeInvalidValue     = "InvalidParameterValue"
	codeMalformed        = "MalformedQueryString"
	codeMissing          = "MissingParameter"
	codeUnknown          = "UnknownParameter"
)

// Error is a request that does not fit its operation: a code that programs
// compare and a message for people. Both are meant for the sender.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func malformed(format string, args ...any) error {
	return &Error{codeMalformed, fmt.Sprintf(format, args...)}
}

func unknown(path string) error {
	return &Error{codeUnknown, fmt.Sprintf("The parameter %s is not recognized", clip(path))}
}

func missing(path string) error {
	return &Error{codeMissing, fmt.Sprintf("The request must contain the parameter %s", path)}
}

func invalid(path, value, why string) error {
	return &Error{codeInvalidValue, fmt.Sprintf("Value (%s) for parameter %s is invalid. %s", clip(value), clip(path), why)}
}

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

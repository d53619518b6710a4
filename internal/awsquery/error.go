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

	// What services other than EC2 say of a value that breaks a rule: "Member must
	// have ...", or "" if there is no such rule, and which parameter has it. Value
	// is nil for a parameter that is missing.
	Constraint string
	Path       string
	Value      *string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func malformed(format string, args ...any) error {
	return &Error{Code: codeMalformed, Message: fmt.Sprintf(format, args...)}
}

func unknown(path string) error {
	return &Error{Code: codeUnknown, Message: fmt.Sprintf("The parameter %s is not recognized", clip(path))}
}

func missing(path string) error {
	return &Error{Code: codeMissing, Message: fmt.Sprintf("The request must contain the parameter %s", path), Constraint: "Member must not be null", Path: path}
}

func invalid(path, value, why string) error { return outside(path, value, why, "") }

// outside is an invalid value that breaks a constraint.
func outside(path, value, why, constraint string) error {
	return &Error{
		Code: codeInvalidValue, Message: fmt.Sprintf("Value (%s) for parameter %s is invalid. %s", clip(value), clip(path), why),
		Constraint: constraint, Path: clip(path), Value: new(clip(value)),
	}
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

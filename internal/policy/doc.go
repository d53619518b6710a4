// Package policy parses and evaluates the policy documents of AWS Identity and
// Access Management: JSON that allows or denies actions on resources under
// conditions.
//
// [Parse] reads a document of a [Kind] and refuses what IAM would refuse, with
// IAM's words. [Document.Evaluate] says what one document says about a
// [Request]. [Policies.Decide] puts together all documents that bear on a
// request: an explicit denial anywhere wins, then what nobody allows is denied.
//
// Documents come from outside. Their size, depth and number of values are
// bounded, matching takes time in proportion to pattern and text multiplied at
// worst, and a parsed document never changes, so that any number of goroutines
// may evaluate it.
package policy

import "fmt"

// Kind is what a document is for, which decides the elements it may have.
type Kind int

// The kinds of documents.
const (
	Identity Kind = iota // of a user, group or role: has resources and no principal
	Trust                // of a role, about who may assume it: has principals and no resource
	Resource             // of a resource such as a key: has principals and resources
)

// MaxSize bounds the text of a document in bytes. The owner of a kind of
// documents has a lower bound of its own.
const MaxSize = 128 << 10

// Bounds on what is inside.
const (
	maxDepth  = 8
	maxValues = 4096 // JSON values in a document
)

// Error is a document that is refused. Reason is for its author.
type Error struct{ Reason string }

func (e *Error) Error() string { return "malformed policy document: " + e.Reason }

func malformed(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Reasons that do not say more, as IAM gives them.
const (
	reasonSyntax    = "Syntax errors in policy."
	reasonVendor    = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	reasonActions   = "Policy statement must contain actions."
	reasonResources = "Policy statement must contain resources."
	reasonPrincipal = "Policy document should not specify a principal."
	reasonSid       = "Statement IDs (SID) in a single policy must be unique."
)

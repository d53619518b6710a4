// Package origami holds the nouns of a machine-image region in EC2's own
// words: images, snapshots, volumes, instances, key pairs, networks, accounts,
// tasks, and the errors that a caller may see. It has no behaviour beyond
// parsing, validating and matching them.
//
// Verbs live in the rooms above (internal/ebs, internal/ami,
// internal/instance), their storage in internal/metadb, their wire form in
// internal/ec2server. Nouns are plain values: copying one copies what it
// says, and nobody shares them. Times are UTC; sizes say their unit.
package origami

import "time"

// Region is the name of a region: "us-east-1".
type Region string

// AccountID is the 12-digit number of an account.
type AccountID string

// Caller is who makes a request, where, and under which request ID. The front
// door makes it from a verified signature; everything below trusts it.
type Caller struct {
	Account   AccountID
	ARN       string // of the principal: "arn:aws:iam::123456789012:root"
	UserID    string // unique ID of the principal; the account number for its root
	AccessKey string
	Region    Region
	Request   string // request ID, for logs and error documents
	Address   string // of the client's end of the connection, without a port; "" if there is none
	Secure    bool   // the connection is encrypted
	Agent     string // what the client calls itself
}

// Account is an owner of resources, isolated from every other account.
type Account struct {
	ID      AccountID
	Name    string
	Created time.Time
}

// AccessKey is a credential of the root of an account or of a user. The secret
// is kept readable because Signature Version 4 needs it to verify.
type AccessKey struct {
	ID       string // "AKIA…"
	Secret   string
	Account  AccountID
	User     string // ID of the user, "" for the root
	Disabled bool
	Created  time.Time
}

// StateReason says why a resource is in its state: a code such as
// "Client.UserInitiatedShutdown" and a text.
type StateReason struct {
	Code    string
	Message string
}

// Zone is an availability zone of a region.
type Zone struct {
	Name   string // "us-east-1a"
	ID     string // "use1-az1"
	Region Region
}

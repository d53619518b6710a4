package metadb

import "origami"

// System is the viewer that sees everything: the service itself, at work on
// what an account asked for earlier. It is no account's number, and never
// comes from a request.
const System origami.AccountID = "*"

package origami

import "time"

// KeyPair is the public half of an SSH key that instances may be launched
// with. The private half is never kept.
type KeyPair struct {
	ID          KeyPairID
	Region      Region
	Owner       AccountID
	Name        string
	Type        string // "rsa" or "ed25519"
	Fingerprint string // as AWS computes it, by type and origin
	PublicKey   string // OpenSSH line: type, base64, name
	Created     time.Time
}

package instance

import (
	"context"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"origami"
	"origami/internal/metadb"
)

// MaxKeyMaterial bounds a public key that is imported, in bytes.
const MaxKeyMaterial = 16 << 10

// CreateKeyPair makes a key pair of type "rsa" (2048 bits) or "ed25519" and
// returns it with its private key in PEM, which is kept nowhere.
func (s *Service) CreateKeyPair(ctx context.Context, who origami.Caller, name, keyType string, tags origami.Tags) (*origami.KeyPair, []byte, error) {
	k := &origami.KeyPair{Name: name, Type: keyType}
	if err := checkKeyName(name); err != nil {
		return nil, nil, err
	}
	private, err := generateKey(k)
	if err != nil {
		return nil, nil, err
	}
	if err := s.putKeyPair(ctx, who, k, tags); err != nil {
		return nil, nil, err
	}
	return k, private, nil
}

// generateKey fills in what depends on the key, and returns the private half.
// The fingerprint of an RSA key that EC2 made is the SHA-1 of the private key
// in PKCS #8, of an ED25519 key the SHA-256 of the public one.
func generateKey(k *origami.KeyPair) ([]byte, error) {
	switch k.Type {
	case "rsa":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("generate RSA key: %w", err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("encode RSA key: %w", err)
		}
		public, err := ssh.NewPublicKey(&key.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("encode RSA key: %w", err)
		}
		sum := sha1.Sum(pkcs8)
		k.Fingerprint = colons(sum[:])
		k.PublicKey = keyLine(public, k.Name)
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), nil
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("generate ED25519 key: %w", err)
		}
		public, err := ssh.NewPublicKey(key.Public())
		if err != nil {
			return nil, fmt.Errorf("encode ED25519 key: %w", err)
		}
		block, err := ssh.MarshalPrivateKey(key, "")
		if err != nil {
			return nil, fmt.Errorf("encode ED25519 key: %w", err)
		}
		k.Fingerprint = ed25519Fingerprint(public)
		k.PublicKey = keyLine(public, k.Name)
		return pem.EncodeToMemory(block), nil
	}
	return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter KeyType is invalid. Valid values are rsa and ed25519.", k.Type)
}

// ImportKeyPair keeps a public key that the caller made: an OpenSSH line, an
// SSH2 public key file (RFC 4716), or a PKIX key in DER or PEM.
func (s *Service) ImportKeyPair(ctx context.Context, who origami.Caller, name string, material []byte, tags origami.Tags) (*origami.KeyPair, error) {
	if err := checkKeyName(name); err != nil {
		return nil, err
	}
	public, err := parsePublicKey(material)
	if err != nil {
		return nil, origami.Errorf(origami.CodeInvalidKeyFormat, "Key is not in valid OpenSSH public key format")
	}
	k := &origami.KeyPair{Name: name, PublicKey: keyLine(public, name)}
	switch public.Type() {
	case ssh.KeyAlgoRSA:
		key := public.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey)
		switch key.N.BitLen() {
		case 1024, 2048, 4096:
		default:
			return nil, origami.Errorf(origami.CodeInvalidKeyFormat, "RSA keys must have 1024, 2048 or 4096 bits, this one has %d", key.N.BitLen())
		}
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, fmt.Errorf("encode RSA key: %w", err)
		}
		sum := md5.Sum(der)
		k.Type, k.Fingerprint = "rsa", colons(sum[:])
	case ssh.KeyAlgoED25519:
		k.Type, k.Fingerprint = "ed25519", ed25519Fingerprint(public)
	default:
		return nil, origami.Errorf(origami.CodeInvalidKeyFormat, "Keys of type %s are not supported: use RSA or ED25519", public.Type())
	}
	return k, s.putKeyPair(ctx, who, k, tags)
}

// parsePublicKey reads a public key in any of the forms that EC2 takes.
func parsePublicKey(b []byte) (ssh.PublicKey, error) {
	if len(b) > MaxKeyMaterial {
		return nil, fmt.Errorf("public key of %d bytes", len(b))
	}
	if key, _, _, _, err := ssh.ParseAuthorizedKey(b); err == nil {
		return key, nil
	}
	if blob, ok := ssh2Body(string(b)); ok {
		return ssh.ParsePublicKey(blob)
	}
	der := b
	if block, _ := pem.Decode(b); block != nil {
		der = block.Bytes
	}
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		return ssh.NewPublicKey(key)
	}
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("public key is in no known format: %w", err)
	}
	return ssh.NewPublicKey(key)
}

// ssh2Body finds the base64 body of an SSH2 public key file (RFC 4716, section
// 3): header lines have a colon, and continue while they end in a backslash.
func ssh2Body(s string) ([]byte, bool) {
	const begin, end = "---- BEGIN SSH2 PUBLIC KEY ----", "---- END SSH2 PUBLIC KEY ----"
	_, s, ok := strings.Cut(s, begin)
	if !ok {
		return nil, false
	}
	if s, _, ok = strings.Cut(s, end); !ok {
		return nil, false
	}
	var body strings.Builder
	header := false
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if header || strings.Contains(line, ":") {
			header = strings.HasSuffix(line, `\`)
			continue
		}
		body.WriteString(line)
	}
	blob, err := base64.StdEncoding.DecodeString(body.String())
	return blob, err == nil
}

func checkKeyName(name string) error {
	if name == "" {
		return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter KeyName")
	}
	bad := len(name) > 255 || name != strings.TrimSpace(name)
	for _, c := range name {
		bad = bad || c < ' ' || c > '~'
	}
	if bad {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"Value for parameter KeyName is invalid. Names have up to 255 ASCII characters and no leading or trailing spaces.")
	}
	return nil
}

// putKeyPair records a new key pair of the caller's.
func (s *Service) putKeyPair(ctx context.Context, who origami.Caller, k *origami.KeyPair, tags origami.Tags) error {
	k.ID, k.Region, k.Owner, k.Created = origami.NewKeyPairID(), who.Region, who.Account, s.Now().UTC()
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		if err := s.Quotas.keyPair(tx, who); err != nil {
			return err
		}
		if err := tx.PutKeyPair(k); err != nil {
			return err
		}
		return putTags(tx, who, tags, string(k.ID))
	})
}

// keyLine is the public key as authorized_keys and the metadata service have
// it: type, base64, name.
func keyLine(k ssh.PublicKey, name string) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) + " " + name
}

func ed25519Fingerprint(k ssh.PublicKey) string {
	sum := sha256.Sum256(k.Marshal())
	return base64.StdEncoding.EncodeToString(sum[:])
}

// colons writes bytes as hex pairs between colons.
func colons(b []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% x", b), " ", ":")
}

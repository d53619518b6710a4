package imds

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Signer signs identity documents with the key of this installation: a 2048-bit
// RSA key of our own, with a certificate made with it. Who wants to check the
// signatures trusts that certificate, where for EC2 they would trust that of
// the region.
type Signer struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// NewSigner makes a new key and its certificate, issued by itself.
func NewSigner() (*Signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the key of identity documents: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Origami instance identity"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(30, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of identity documents: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the certificate of identity documents: %w", err)
	}
	return &Signer{key, cert}, nil
}

// ParseSigner is the opposite of [Signer.MarshalPEM].
func ParseSigner(b []byte) (*Signer, error) {
	s := new(Signer)
	for len(b) > 0 {
		block, rest := pem.Decode(b)
		if block == nil {
			break
		}
		b = rest
		switch block.Type {
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("parse the key of identity documents: %w", err)
			}
			s.key, _ = key.(*rsa.PrivateKey)
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("parse the certificate of identity documents: %w", err)
			}
			s.cert = cert
		}
	}
	if s.key == nil || s.cert == nil {
		return nil, errors.New("parse the signer of identity documents: it needs an RSA key and a certificate")
	}
	if !s.key.PublicKey.Equal(s.cert.PublicKey) {
		return nil, errors.New("parse the signer of identity documents: key and certificate do not belong together")
	}
	return s, nil
}

// MarshalPEM returns the key and the certificate, to be kept as a secret.
func (s *Signer) MarshalPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return nil, fmt.Errorf("encode the key of identity documents: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), s.CertificatePEM()...), nil
}

// CertificatePEM returns the certificate, which everybody may have.
func (s *Signer) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})
}

// sign returns the signature of a document, RSA with SHA-256 in base64, and the
// document and signature as PKCS #7, in base64 lines without PEM's frame.
func (s *Signer) sign(doc []byte) (signature, pkcs7 string, err error) {
	digest := sha256.Sum256(doc)
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
	if err != nil {
		return "", "", fmt.Errorf("sign: %w", err)
	}
	signed, err := s.signedData(doc, sig)
	if err != nil {
		return "", "", err
	}
	return fold(sig), fold(signed), nil
}

// fold encodes in base64, in lines of 64 characters.
func fold(b []byte) string {
	var out strings.Builder
	for text := base64.StdEncoding.EncodeToString(b); text != ""; {
		n := min(64, len(text))
		out.WriteString(text[:n])
		if text = text[n:]; text != "" {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// Object identifiers of RFC 2315, RFC 5754 and RFC 3370.
var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidSHA256     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
)

// The structures of PKCS #7 (RFC 2315, sections 7 and 9), as far as a signature
// without attributes, certificates and revocation lists needs them.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content any `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version    int
		Algorithms []pkix.AlgorithmIdentifier `asn1:"set"`
		Content    contentInfo
		Signers    []signerInfo `asn1:"set"`
	}
	signerInfo struct {
		Version   int
		Issuer    issuerAndSerial
		Digest    pkix.AlgorithmIdentifier
		Algorithm pkix.AlgorithmIdentifier
		Signature []byte
	}
	issuerAndSerial struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
)

// signedData encodes a document and its signature as PKCS #7.
func (s *Signer) signedData(doc, sig []byte) ([]byte, error) {
	digest := pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	b, err := asn1.Marshal(contentInfo{oidSignedData, signedData{
		Version:    1,
		Algorithms: []pkix.AlgorithmIdentifier{digest},
		Content:    contentInfo{oidData, doc},
		Signers: []signerInfo{{
			Version:   1,
			Issuer:    issuerAndSerial{asn1.RawValue{FullBytes: s.cert.RawIssuer}, s.cert.SerialNumber},
			Digest:    digest,
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue},
			Signature: sig,
		}},
	}})
	if err != nil {
		return nil, fmt.Errorf("encode PKCS #7: %w", err)
	}
	return b, nil
}

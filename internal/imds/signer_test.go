package imds_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"origami/internal/imds"
)

func newSigner(t *testing.T) *imds.Signer {
	t.Helper()
	s, err := imds.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func certificate(t *testing.T, s *imds.Signer) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(s.CertificatePEM())
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestDocument(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	s, err := imds.New(imds.Config{Source: fleet{"10.0.0.5": newInstance()}, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	const dir = "/latest/dynamic/instance-identity/"
	if got, want := request(s, "GET", dir).Body.String(), "document\npkcs7\nrsa2048\nsignature"; got != want {
		t.Errorf("listing: got %q, want %q", got, want)
	}
	doc := request(s, "GET", dir+"document").Body.Bytes()
	var got map[string]any
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "us-east-1a", "billingProducts": nil,
		"devpayProductCodes": nil, "imageId": "ami-0123456789abcdef0", "instanceId": "i-0123456789abcdef0", "instanceType": "t3.micro",
		"kernelId": nil, "pendingTime": "2024-05-06T07:08:09Z", "privateIp": "10.0.0.5", "ramdiskId": nil, "region": "us-east-1",
		"version": "2017-09-30",
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: got %v, want %v", k, got[k], v)
		}
	}
	if codes, ok := got["marketplaceProductCodes"].([]any); !ok || len(codes) != 1 || len(got) != len(want)+1 {
		t.Errorf("document: %s", doc)
	}

	cert := certificate(t, signer)
	decode := func(name string) []byte {
		t.Helper()
		b, err := base64.StdEncoding.DecodeString(request(s, "GET", dir+name).Body.String())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err := cert.CheckSignature(x509.SHA256WithRSA, doc, decode("signature")); err != nil {
		t.Errorf("signature: %v", err)
	}
	for _, name := range []string{"pkcs7", "rsa2048"} {
		content, sig := parsePKCS7(t, decode(name))
		if !bytes.Equal(content, doc) {
			t.Errorf("%s holds %q, want the document", name, content)
		}
		if err := cert.CheckSignature(x509.SHA256WithRSA, doc, sig); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// parsePKCS7 returns the content and the signature of PKCS #7 signed data.
func parsePKCS7(t *testing.T, b []byte) (content, sig []byte) {
	t.Helper()
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content struct {
			Version    int
			Algorithms asn1.RawValue
			Inner      struct {
				Type    asn1.ObjectIdentifier
				Content []byte `asn1:"explicit,tag:0"`
			}
			Signers []struct {
				Version                   int
				Issuer, Digest, Algorithm asn1.RawValue
				Signature                 []byte
			} `asn1:"set"`
		} `asn1:"explicit,tag:0"`
	}
	rest, err := asn1.Unmarshal(b, &outer)
	if err != nil || len(rest) != 0 || len(outer.Content.Signers) != 1 {
		t.Fatalf("PKCS #7: %v, %d bytes left, %d signers", err, len(rest), len(outer.Content.Signers))
	}
	return outer.Content.Inner.Content, outer.Content.Signers[0].Signature
}

func TestSignerPEM(t *testing.T) {
	t.Parallel()
	s, other := newSigner(t), newSigner(t)
	b, err := s.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := imds.ParseSigner(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.CertificatePEM(), s.CertificatePEM()) {
		t.Error("the certificate changed on the way")
	}
	key, cert, _ := strings.Cut(string(b), "-----BEGIN CERTIFICATE")
	cert = "-----BEGIN CERTIFICATE" + cert
	for name, text := range map[string]string{
		"nothing": "", "only a key": key, "only a certificate": cert,
		"another's certificate": key + string(other.CertificatePEM()),
		"broken key":            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + cert,
		"broken certificate":    key + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		if _, err := imds.ParseSigner([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

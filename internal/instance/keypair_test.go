package instance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"origami"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// pairs writes a digest as openssl -c does.
func pairs(sum []byte) string {
	var out []string
	for _, b := range sum {
		out = append(out, hex.EncodeToString([]byte{b}))
	}
	return strings.Join(out, ":")
}

// TestCreateKeyPair checks what is returned against what is kept, as
//
//	openssl pkcs8 -in KEY -nocrypt -topk8 -outform DER | openssl sha1 -c
//
// and ssh-keygen -l would.
//
//origami:proves CreateKeyPair S94 S106
func TestCreateKeyPair(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	for _, kind := range []string{"rsa", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			k, private, err := r.Instances.CreateKeyPair(t.Context(), alice, "key "+kind, kind, origami.Tags{"a": "b"})
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := ssh.ParseRawPrivateKey(private)
			if err != nil {
				t.Fatal(err)
			}
			signer, err := ssh.NewSignerFromKey(parsed)
			if err != nil {
				t.Fatal(err)
			}
			public := signer.PublicKey()
			want := strings.TrimSuffix(ssh.FingerprintSHA256(public), "=")
			switch key := parsed.(type) {
			case *rsa.PrivateKey:
				if !strings.HasPrefix(string(private), "-----BEGIN RSA PRIVATE KEY-----\n") || key.N.BitLen() != 2048 {
					t.Errorf("%d bits in %.40q", key.N.BitLen(), private)
				}
				der, err := x509.MarshalPKCS8PrivateKey(key)
				if err != nil {
					t.Fatal(err)
				}
				sum := sha1.Sum(der)
				want = pairs(sum[:])
			case *ed25519.PrivateKey:
				want = strings.TrimPrefix(want, "SHA256:") + "=" // ssh-keygen leaves the padding out
			default:
				t.Errorf("a key of type %T", key)
			}
			if k.Fingerprint != want {
				t.Errorf("fingerprint %s, want %s", k.Fingerprint, want)
			}
			line, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(k.PublicKey))
			if err != nil || string(line.Marshal()) != string(public.Marshal()) || comment != "key "+kind {
				t.Errorf("public key %q: %v", k.PublicKey, err)
			}
			r.View(func(tx *metadb.Tx) error {
				kept, err := tx.KeyPairByName(region, alice.Account, k.Name)
				if err == nil && (kept.ID != k.ID || kept.Type != kind || kept.Fingerprint != k.Fingerprint) {
					t.Errorf("kept %+v", kept)
				}
				return err
			})
		})
	}
	create := func(who origami.Caller, name, kind string) error {
		_, _, err := r.Instances.CreateKeyPair(t.Context(), who, name, kind, nil)
		return err
	}
	wantError(t, create(alice, "key rsa", "ed25519"), origami.CodeInvalidKeyPairDuplicate, "")
	wantError(t, create(alice, "", "rsa"), origami.CodeMissingParameter, "")
	wantError(t, create(alice, "x", "dsa"), origami.CodeInvalidParameterValue, "")
	wantError(t, create(alice, strings.Repeat("x", 256), "ed25519"), origami.CodeInvalidParameterValue, "")
	wantError(t, create(alice, "two\nlines", "ed25519"), origami.CodeInvalidParameterValue, "")
	wantError(t, create(alice, " space", "ed25519"), origami.CodeInvalidParameterValue, "")
	if err := create(bob, "key rsa", "ed25519"); err != nil {
		t.Errorf("the name in another account: %v", err)
	}
	if err := create(instancetest.Abroad, "key rsa", "ed25519"); err != nil {
		t.Errorf("the name in another region: %v", err)
	}
}

// ssh2 writes a public key as RFC 4716 has it.
func ssh2(k ssh.PublicKey) string {
	body := base64.StdEncoding.EncodeToString(k.Marshal())
	out := "---- BEGIN SSH2 PUBLIC KEY ----\nSubject: me\nComment: \"a long \\\ncomment: with a colon\"\n"
	for len(body) > 70 {
		out += body[:70] + "\n"
		body = body[70:]
	}
	return out + body + "\n---- END SSH2 PUBLIC KEY ----\n"
}

// TestImportKeyPair imports one key in each form, and refuses what is none.
//
//origami:proves ImportKeyPair
func TestImportKeyPair(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	der := func(k crypto.PublicKey) []byte {
		b, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sshKey := func(k crypto.PublicKey) ssh.PublicKey {
		s, err := ssh.NewPublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := rsa.GenerateKey(rand.Reader, 1536)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaSum := md5.Sum(der(&rsaKey.PublicKey)) // openssl rsa -pubout -outform DER | openssl md5 -c
	edSum := sha256.Sum256(sshKey(edPublic).Marshal())
	rsaPrint, edPrint := pairs(rsaSum[:]), base64.StdEncoding.EncodeToString(edSum[:])
	line := string(ssh.MarshalAuthorizedKey(sshKey(&rsaKey.PublicKey)))
	for _, tt := range []struct {
		name, material, kind, fingerprint string
	}{
		{"OpenSSH", line, "rsa", rsaPrint},
		{"OpenSSH with comment", strings.TrimSpace(line) + " me@laptop\n", "rsa", rsaPrint},
		{"SSH2", ssh2(sshKey(&rsaKey.PublicKey)), "rsa", rsaPrint},
		{"SSH2 with CRLF", strings.ReplaceAll(ssh2(sshKey(&rsaKey.PublicKey)), "\n", "\r\n"), "rsa", rsaPrint},
		{"DER", string(der(&rsaKey.PublicKey)), "rsa", rsaPrint},
		{"PEM", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der(&rsaKey.PublicKey)})), "rsa", rsaPrint},
		{"PKCS 1", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)})), "rsa", rsaPrint},
		{"ED25519", string(ssh.MarshalAuthorizedKey(sshKey(edPublic))), "ed25519", edPrint},
		{"ED25519 as SSH2", ssh2(sshKey(edPublic)), "ed25519", edPrint},
		{"ED25519 as DER", string(der(edPublic)), "ed25519", edPrint},
		{"ECDSA", string(ssh.MarshalAuthorizedKey(sshKey(&ec.PublicKey))), "", ""},
		{"ECDSA as DER", string(der(&ec.PublicKey)), "", ""},
		{"1536 bits", string(ssh.MarshalAuthorizedKey(sshKey(&odd.PublicKey))), "", ""},
		{"nothing", "", "", ""},
		{"garbage", "ssh-rsa AAAAB3NzaC1yc2E= x", "", ""},
		{"private key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})), "", ""},
		{"SSH2 without end", strings.SplitAfter(ssh2(sshKey(edPublic)), "colon\"\n")[0], "", ""},
		{"too long", line + strings.Repeat("#\n", 16<<10), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := r.Instances.ImportKeyPair(t.Context(), alice, tt.name, []byte(tt.material), nil)
			if tt.kind == "" {
				wantError(t, err, origami.CodeInvalidKeyFormat, "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if k.Type != tt.kind || k.Fingerprint != tt.fingerprint {
				t.Errorf("got %s %s, want %s %s", k.Type, k.Fingerprint, tt.kind, tt.fingerprint)
			}
			if fields := strings.SplitN(k.PublicKey, " ", 3); len(fields) != 3 || fields[2] != tt.name {
				t.Errorf("kept as %q", k.PublicKey)
			}
		})
	}
	_, err = r.Instances.ImportKeyPair(t.Context(), alice, "OpenSSH", []byte(line), nil)
	wantError(t, err, origami.CodeInvalidKeyPairDuplicate, "")
}

// FuzzParsePublicKey feeds the parsers of public keys.
func FuzzParsePublicKey(f *testing.F) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	k, err := ssh.NewPublicKey(public)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ssh.MarshalAuthorizedKey(k))
	f.Add([]byte(ssh2(k)))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, material []byte) {
		line, err := instance.ParseKey(material)
		if err != nil {
			return
		}
		if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err != nil || strings.ContainsAny(line, "\r\n") {
			t.Errorf("%q became the line %q: %v", material, line, err)
		}
	})
}

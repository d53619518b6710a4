package ec2server_test

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/crypto/ssh"
)

// TestCreateKeyPair makes keys of both types. The private half opens what the
// public half closes, and the fingerprints are those that AWS computes.
//
//origami:proves CreateKeyPair DescribeKeyPairs S94
func TestCreateKeyPair(t *testing.T) {
	t.Parallel()
	i := open(t)
	tags := []types.Tag{{Key: p("team"), Value: p("web")}}
	for _, kind := range []types.KeyType{"", "rsa", "ed25519"} {
		t.Run("type "+string(kind), func(t *testing.T) {
			name := "my key " + string(kind) + "!"
			if kind == "" {
				name = "default"
			}
			out := do(t, i.a.CreateKeyPair, &ec2.CreateKeyPairInput{
				KeyName: &name, KeyType: kind, KeyFormat: "pem",
				TagSpecifications: []types.TagSpecification{{ResourceType: "key-pair", Tags: tags}},
			})
			key, err := ssh.ParseRawPrivateKey([]byte(*out.KeyMaterial))
			if err != nil {
				t.Fatal(err)
			}
			signer, err := ssh.NewSignerFromKey(key)
			if err != nil {
				t.Fatal(err)
			}
			fingerprint, wanted := strings.TrimPrefix(ssh.FingerprintSHA256(signer.PublicKey()), "SHA256:"), types.KeyTypeEd25519
			if r, ok := key.(*rsa.PrivateKey); ok {
				wanted = types.KeyTypeRsa
				der, err := x509.MarshalPKCS8PrivateKey(r)
				if err != nil {
					t.Fatal(err)
				}
				fingerprint = strings.ReplaceAll(fmt.Sprintf("% x", sha1.Sum(der)), " ", ":")
				if r.N.BitLen() != 2048 {
					t.Errorf("got a key of %d bits, want 2048", r.N.BitLen())
				}
			}
			if kind != "" && kind != wanted {
				t.Errorf("got a key of type %s, want %s", wanted, kind)
			}
			// AWS writes the base64 of an ED25519 fingerprint with padding.
			if strings.TrimRight(*out.KeyFingerprint, "=") != fingerprint {
				t.Errorf("got fingerprint %s, want %s", *out.KeyFingerprint, fingerprint)
			}
			same(t, out, &ec2.CreateKeyPairOutput{
				KeyFingerprint: out.KeyFingerprint, KeyMaterial: out.KeyMaterial, KeyName: &name, KeyPairId: out.KeyPairId, Tags: tags,
			})
			line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " " + name
			info := types.KeyPairInfo{
				CreateTime: &clock, KeyFingerprint: out.KeyFingerprint, KeyName: &name, KeyPairId: out.KeyPairId, KeyType: wanted, Tags: tags,
			}
			got := do(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyNames: []string{name}})
			same(t, got.KeyPairs, []types.KeyPairInfo{info})
			info.PublicKey = &line
			got = do(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyPairIds: []string{*out.KeyPairId}, IncludePublicKey: p(true)})
			same(t, got.KeyPairs, []types.KeyPairInfo{info})
		})
	}
}

// TestImportKeyPair imports one key in each form that EC2 takes.
//
//origami:proves ImportKeyPair
func TestImportKeyPair(t *testing.T) {
	t.Parallel()
	i := open(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := strings.ReplaceAll(fmt.Sprintf("% x", md5.Sum(der)), " ", ":")
	line := string(ssh.MarshalAuthorizedKey(public))
	ssh2 := "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"a \\\nlong: one\"\n" + base64.StdEncoding.EncodeToString(public.Marshal()) + "\n---- END SSH2 PUBLIC KEY ----\n"
	for name, material := range map[string][]byte{
		"OpenSSH": []byte(line),
		"comment": []byte(strings.TrimSpace(line) + " somebody@somewhere\n"),
		"DER":     der,
		"PEM":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"SSH2":    []byte(ssh2),
	} {
		t.Run(name, func(t *testing.T) {
			out := do(t, i.a.ImportKeyPair, &ec2.ImportKeyPairInput{
				KeyName: &name, PublicKeyMaterial: material,
				TagSpecifications: []types.TagSpecification{{ResourceType: "key-pair", Tags: []types.Tag{{Key: p("k"), Value: p("v")}}}},
			})
			same(t, out, &ec2.ImportKeyPairOutput{
				KeyFingerprint: &fingerprint, KeyName: &name, KeyPairId: out.KeyPairId, Tags: []types.Tag{{Key: p("k"), Value: p("v")}},
			})
			got := do(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyNames: []string{name}, IncludePublicKey: p(true)}).KeyPairs
			if want := strings.TrimSpace(line) + " " + name; len(got) != 1 || *got[0].PublicKey != want || got[0].KeyType != types.KeyTypeRsa {
				t.Errorf("got %+v, want the key %q", got, want)
			}
		})
	}
	small, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := ssh.NewPublicKey(&small.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	const format = "Key is not in valid OpenSSH public key format"
	for _, tt := range []struct {
		name          string
		material      string
		code, message string
	}{
		{"OpenSSH", line, "InvalidKeyPair.Duplicate", "The keypair already exists"},
		{"junk", "junk", "InvalidKey.Format", format},
		{"cut", line[:100], "InvalidKey.Format", format},
		{"long", strings.Repeat("A", 20000), "InvalidKey.Format", format},
		{"private", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), "InvalidKey.Format", format},
		{"3072 bits", string(ssh.MarshalAuthorizedKey(odd)), "InvalidKey.Format", "RSA keys must have 1024, 2048 or 4096 bits, this one has 3072"},
		{"ECDSA", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=", "InvalidKey.Format", "Keys of type ecdsa-sha2-nistp256 are not supported: use RSA or ED25519"},
	} {
		t.Run("bad "+tt.name, func(t *testing.T) {
			fails(t, i.a.ImportKeyPair, &ec2.ImportKeyPairInput{KeyName: &tt.name, PublicKeyMaterial: []byte(tt.material)}, tt.code, tt.message)
		})
	}
}

// TestKeyPairs gives the errors of all four operations, and keeps two
// accounts and two regions apart.
//
//origami:proves CreateKeyPair ImportKeyPair DescribeKeyPairs DeleteKeyPair
func TestKeyPairs(t *testing.T) {
	t.Parallel()
	i := open(t)
	create := func(c *ec2.Client, name string) string {
		return *do(t, c.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: &name, KeyType: "ed25519"}).KeyPairId
	}
	id, bobs := create(i.a.Client, "web"), create(i.b.Client, "web")
	create(i.a.in(abroad), "web")
	create(i.b.Client, "db")

	const names = "Value for parameter KeyName is invalid. Names have up to 255 ASCII characters and no leading or trailing spaces."
	create(i.a.Client, strings.Repeat("n", 255))
	for name, code := range map[string]string{
		"":                       "MissingParameter: The request must contain the parameter KeyName",
		strings.Repeat("n", 256): "InvalidParameterValue: " + names,
		" web":                   "InvalidParameterValue: " + names,
		"wéb":                    "InvalidParameterValue: " + names,
		"web\n":                  "InvalidParameterValue: " + names,
		"web":                    "InvalidKeyPair.Duplicate: The keypair already exists",
	} {
		code, message, _ := strings.Cut(code, ": ")
		fails(t, i.a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: &name, KeyType: "ed25519"}, code, message)
		if code == "InvalidParameterValue" {
			fails(t, i.a.ImportKeyPair, &ec2.ImportKeyPairInput{KeyName: &name, PublicKeyMaterial: []byte("x")}, code, message)
		}
	}
	fails(t, i.a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p("x"), KeyFormat: "ppk"}, "UnsupportedOperation", "The value 'ppk' of the parameter KeyFormat is not supported by this service.")
	fails(t, i.a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p("x"), KeyType: "dsa"}, "InvalidParameterValue", "Value (dsa) for parameter KeyType is invalid.…")
	fails(t, i.a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p("x"), DryRun: p(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")

	fails(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyNames: []string{"web", "db"}}, "InvalidKeyPair.NotFound", "The key pair 'db' does not exist")
	fails(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyNames: []string{"x", "y"}}, "InvalidKeyPair.NotFound", "The key pair 'x, y' do not exist")
	fails(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyPairIds: []string{bobs}}, "InvalidKeyPair.NotFound", "The key pair ID '"+bobs+"' does not exist")
	fails(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyPairIds: []string{"key-1"}}, "InvalidKeyPair.Malformed", `Invalid id: "key-1" (expecting "key-...")`)
	if got := do(t, i.b.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{}).KeyPairs; len(got) != 2 {
		t.Errorf("bob sees %d key pairs, want 2", len(got))
	}

	// Deleting what does not exist succeeds; another's key stays.
	same(t, do(t, i.a.DeleteKeyPair, &ec2.DeleteKeyPairInput{KeyName: p("db")}), &ec2.DeleteKeyPairOutput{Return: p(true)})
	same(t, do(t, i.a.DeleteKeyPair, &ec2.DeleteKeyPairInput{KeyPairId: &bobs}), &ec2.DeleteKeyPairOutput{Return: p(true)})
	if got := do(t, i.b.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyPairIds: []string{bobs}}).KeyPairs; len(got) != 1 {
		t.Errorf("alice deleted bob's key pair")
	}
	fails(t, i.a.DeleteKeyPair, &ec2.DeleteKeyPairInput{}, "MissingParameter", "The request must contain the parameter KeyName or KeyPairId")
	fails(t, i.a.DeleteKeyPair, &ec2.DeleteKeyPairInput{KeyPairId: p("key")}, "InvalidKeyPair.Malformed", `Invalid id: "key" (expecting "key-...")`)
	fails(t, i.a.DeleteKeyPair, &ec2.DeleteKeyPairInput{KeyName: p("db"), KeyPairId: &id}, "InvalidParameterValue", "The key pair ID '"+id+"' does not match the key name 'db'")
	same(t, do(t, i.a.DeleteKeyPair, &ec2.DeleteKeyPairInput{KeyName: p("web"), KeyPairId: &id}), &ec2.DeleteKeyPairOutput{Return: p(true), KeyPairId: &id})
	fails(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyNames: []string{"web"}}, "InvalidKeyPair.NotFound", "The key pair 'web' does not exist")
	do(t, i.a.in(abroad).DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyNames: []string{"web"}})
}

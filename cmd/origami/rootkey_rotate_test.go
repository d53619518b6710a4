package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"origami/internal/keywrap/vault/vaulttest"
	"origami/internal/metadb"
)

// sealed is a region with everything in it that is under the root key.
type sealed struct {
	n    *installation
	keys map[string]*string // ARNs
	blob map[string][]byte  // ciphertexts of "secret", by what they are of
	disk string             // an encrypted image
}

// seal makes an installation with keys of every kind, in two regions, rotated
// and disabled, and encrypted images, snapshots and volumes.
func seal(t *testing.T, n *installation) *sealed {
	t.Helper()
	s := &sealed{n: n, keys: map[string]*string{}, blob: map[string][]byte{}}
	n.must("EnableEbsEncryptionByDefault")
	s.disk, _ = n.importDisk("sealed", random(21, 2<<20))
	n.launch(s.disk, "machine")
	for what, region := range map[string]string{"east": "us-east-1", "west": "eu-west-1", "rotated": "us-east-1", "disabled": "us-east-1"} {
		client := n.kms("us-east-1")
		if region != "us-east-1" {
			client = n.kms("eu-west-1")
		}
		made, err := client.CreateKey(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		s.keys[what] = made.KeyMetadata.Arn
		out, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: made.KeyMetadata.Arn, Plaintext: []byte("secret")})
		if err != nil {
			t.Fatal(err)
		}
		s.blob[what] = out.CiphertextBlob
		switch what {
		case "rotated":
			_, err = client.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: made.KeyMetadata.Arn})
		case "disabled":
			_, err = client.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: made.KeyMetadata.Arn})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// opens checks that everything can be opened by the service, and be used.
func (s *sealed) opens(t *testing.T, when string) {
	t.Helper()
	for what, blob := range s.blob {
		client := s.n.kms("us-east-1")
		switch what {
		case "west":
			client = s.n.kms("eu-west-1")
		case "disabled":
			if _, err := client.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: s.keys[what]}); err != nil {
				t.Errorf("%s: enable: %v", when, err)
			}
		}
		out, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob})
		if err != nil || string(out.Plaintext) != "secret" {
			t.Errorf("%s: decrypt what is %s: %v", when, what, err)
		}
	}
	s.n.launch(s.disk, strings.ReplaceAll(when, " ", "-")) // reads the encrypted disk
	if _, err := s.n.kms("us-east-1").GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: s.n.newKey("us-east-1"), KeySpec: "AES_256"}); err != nil {
		t.Errorf("%s: a new key: %v", when, err)
	}
}

// checks reads every block of everything, while the service does not run.
func (s *sealed) checks(t *testing.T, flags ...string) {
	t.Helper()
	var found checked
	s.n.json(&found, append([]string{"check"}, flags...)...)
	if !found.Sound || len(found.Things) < 2 {
		t.Errorf("check: %+v", found)
	}
}

// unnamed checks that no file of the installation, but those of root keys, has a
// word in it.
func (n *installation) unnamed(word string) {
	n.t.Helper()
	err := filepath.WalkDir(n.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "root.key") {
			return err
		}
		data, err := os.ReadFile(name)
		if bytes.Contains(data, []byte(word)) {
			n.t.Errorf("%s has %q in it", name, word)
		}
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// record is the record of the master key.
func (n *installation) record() []byte {
	n.t.Helper()
	db, err := dataDir(n.dir).openDatabase(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	defer db.Close()
	var record []byte
	err = db.View(n.t.Context(), func(tx *metadb.Tx) (err error) {
		record, err = tx.Setting("kms.master")
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return record
}

// TestRotateRootKey makes a new root key file, with the service running and
// without, and destroys the one before each time.
func TestRotateRootKey(t *testing.T) {
	t.Parallel()
	n := install(t)
	s := seal(t, n)
	var before rootKeyStatus
	n.json(&before, "root-key", "status")
	if before.File != filepath.Join(n.dir, "root.key") || before.Keys < 5 || before.Materials < before.Keys+1 || len(before.NotNeeded) != 0 {
		t.Errorf("status = %+v", before)
	}
	for _, running := range []bool{true, false} {
		var old rootKeyStatus
		n.json(&old, "root-key", "status")
		record := n.record()
		if !running {
			n.end()
		}
		var done rotated
		n.json(&done, "root-key", "rotate")
		if !done.Changed || done.From != old.Name || done.To == old.Name || done.Keys != old.Keys || done.Materials != old.Materials ||
			done.File != old.File || done.Flag != "" || len(done.NotNeeded) != 1 || done.NotNeeded[0].Name != old.Name {
			t.Errorf("running %t: rotate = %+v, want all of %+v", running, done, old)
		}
		if running {
			s.opens(t, "running")
			n.end()
		}
		if err := os.Remove(done.NotNeeded[0].File); err != nil {
			t.Fatal(err)
		}
		s.checks(t)
		n.unnamed(old.Name)
		n.unnamed(string(record[len(record)-80:])) // its wrapped key ends there
		n.start()
		s.opens(t, "after a restart")
		n.noneIn(done.File)
	}
	if text := n.run("root-key", "rotate"); !strings.Contains(text, "All keys are under file:") || !strings.Contains(text, "No longer needed: file:") {
		t.Errorf("rotate says %s", text)
	}
	if text := n.run("root-key", "status"); !strings.Contains(text, "in use, for ") || !strings.Contains(text, "no longer needed") {
		t.Errorf("status says %s", text)
	}
}

// TestRootKeyTravels goes from the file to a Vault, to a KMS, to a file
// elsewhere and back, and has each place destroyed when it was left.
func TestRootKeyTravels(t *testing.T) {
	far := install(t)
	var e environment
	far.json(&e, "env")
	t.Setenv("AWS_ACCESS_KEY_ID", e.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", e.Secret)
	for _, name := range []string{"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "VAULT_NAMESPACE"} {
		t.Setenv(name, "") // of who runs the test
	}
	t.Setenv("VAULT_TOKEN", vaulttest.Token)
	transit := new(vaulttest.Server)
	transit.Make("origami")
	server := httptest.NewServer(transit)
	defer server.Close()

	n := install(t)
	s := seal(t, n)
	inVault := server.URL + "/v1/transit/keys/origami"
	arn := *far.newKey("us-east-1")
	inKMS := arn + "@" + e.Endpoint
	inFile := "file:" + filepath.Join(t.TempDir(), "elsewhere.key")
	var given []string // what the service is started with now
	for i, step := range []struct {
		to      string
		running bool
		destroy func() error // where it came from
	}{
		{inVault, true, nil},
		{inKMS, false, func() error { transit.Destroy("origami"); return nil }},
		{inFile, true, func() error {
			_, err := far.kms("us-east-1").DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &arn})
			return err
		}},
		{newFile, false, func() error { return os.Remove(strings.TrimPrefix(inFile, "file:")) }},
	} {
		args := []string{"root-key", "rotate", "--to", step.to}
		if !step.running {
			n.end()
			for _, word := range given {
				args = append(args, "--root-key", word)
			}
		}
		var done rotated
		n.json(&done, args...)
		if step.to == newFile && done.Flag != "" || step.to != newFile && done.Flag != step.to {
			t.Errorf("to %s: it says to start with %q", step.to, done.Flag)
		}
		if step.running {
			s.opens(t, "running "+step.to[:4])
			n.end()
		}
		both := append(given[:len(given):len(given)], step.to)
		if step.to == newFile {
			both = given
		}
		if i == 1 { // a start with both, which is what there is before the way back is closed
			n.o.root.given = both
			n.start()
			n.end()
			n.o.root.given = given
		}
		if step.destroy == nil {
			step.destroy = func() error { return os.Remove(done.NotNeeded[0].File) }
		}
		if err := step.destroy(); err != nil {
			t.Fatal(err)
		}
		n.unnamed(done.From)
		if step.to != newFile { // the one before does not open it, and the message names the one that does
			n.refused("--root-key")
		}
		given = nil
		flags := []string{}
		if step.to != newFile {
			given = []string{step.to}
			flags = []string{"--root-key", step.to}
		}
		n.o.root.given = given
		s.checks(t, flags...)
		n.start()
		s.opens(t, "in "+step.to[:4])
		// Once more: it is there already.
		if step.to != newFile {
			done = rotated{}
			n.json(&done, args[:4]...)
			if done.Changed || done.To != done.From {
				t.Errorf("to %s again: %+v", step.to, done)
			}
		}
	}
}

// errDied ends a rotation as the death of its process would.
var errDied = errors.New("died")

// TestRotateRootKeyDies lets a rotation die before each of its steps, and in the
// middle of putting files in their places. The service that runs goes on, one
// that starts finds the root key that it needs, and a repetition does the rest.
func TestRotateRootKeyDies(t *testing.T) {
	t.Parallel()
	n := install(t)
	s := seal(t, n)
	for running, steps := range map[bool][]string{true: {"rewrap"}, false: {"wrap", "settle", "aside"}} {
		for _, last := range steps {
			if !running {
				n.end()
			}
			before := n.record()
			r := rotation{dir: dataDir(n.dir), at: func(step string) error {
				if step == last || last == "aside" && step == "settle" {
					return errDied
				}
				return nil
			}}
			if _, err := r.run(t.Context()); !errors.Is(err, errDied) {
				t.Fatalf("%s: %v", last, err)
			}
			moved := !bytes.Equal(n.record(), before)
			if want := last == "settle" || last == "aside"; moved != want {
				t.Errorf("%s: the keys moved: %t, want %t", last, moved, want)
			}
			if last == "aside" { // the file before has gone from its place, and the new one is not there yet
				if err := os.Rename(filepath.Join(n.dir, "root.key"), filepath.Join(n.dir, "root.key.0000000000000000")); err != nil {
					t.Fatal(err)
				}
			}
			if running {
				n.end()
			}
			s.checks(t)
			n.start()
			s.opens(t, "after "+last)
			var status rootKeyStatus
			n.json(&status, "root-key", "status")
			if status.File != filepath.Join(n.dir, "root.key") || len(status.NotNeeded) == 0 {
				t.Errorf("%s: status = %+v", last, status)
			}
			for _, k := range status.NotNeeded {
				if err := os.Remove(k.File); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	n.end()
	s.checks(t)
}

// TestRotateRootKeyRefused asks for rotations that cannot be. They say what to do
// and change nothing.
func TestRotateRootKeyRefused(t *testing.T) {
	n := install(t)
	t.Setenv("VAULT_TOKEN", vaulttest.Token)
	transit := new(vaulttest.Server)
	server := httptest.NewServer(transit)
	defer server.Close()
	key := server.URL + "/v1/transit/keys/origami"
	loose := filepath.Join(t.TempDir(), "loose.key")
	if err := os.WriteFile(loose, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o644); err != nil { // whatever the umask
		t.Fatal(err)
	}
	before := n.record()
	refused := func(want string, args ...string) {
		t.Helper()
		err := n.try(t.Context(), io.Discard, append([]string{"root-key", "rotate"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
		if !bytes.Equal(n.record(), before) {
			t.Errorf("%q: the keys moved", args)
		}
	}
	refused("encryption key not found", "--to", key)
	transit.Make("origami")
	transit.Seal(true)
	refused("Vault is sealed", "--to", key)
	t.Setenv("VAULT_TOKEN", "another")
	transit.Seal(false)
	refused("permission denied", "--to", key)
	t.Setenv("VAULT_TOKEN", "")
	refused("VAULT_TOKEN is not set", "--to", key)
	refused("not https", "--to", "http://192.0.2.1/v1/transit/keys/k")
	refused("chmod 600", "--to", "file:"+loose)
	refused("not the ARN", "--to", "alias/x")
	if left, err := filepath.Glob(filepath.Join(n.dir, "root.key.*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	n.end()
	place := filepath.Join(n.dir, "root.key")
	if err := os.Rename(place, place+".kept"); err != nil {
		t.Fatal(err)
	}
	refused("is not in the data directory; say where to go")
	refused("put the copy that was kept of that key back", "--to", newFile)
	if err := os.Rename(place+".kept", place); err != nil {
		t.Fatal(err)
	}
	n.start()
	// A key file that is lost while the service runs: that is when a rotation saves everything.
	if err := os.Remove(place); err != nil {
		t.Fatal(err)
	}
	n.json(new(rotated), "root-key", "rotate", "--to", newFile)
	n.end()
	n.start()
}

// TestWrongRootKey starts with a key file that is another installation's, and with
// a Vault that is down.
func TestWrongRootKey(t *testing.T) {
	t.Setenv("VAULT_TOKEN", vaulttest.Token)
	transit := new(vaulttest.Server)
	transit.Make("origami")
	server := httptest.NewServer(transit)
	defer server.Close()
	n, other := install(t), install(t)
	n.end()
	other.end()
	place := filepath.Join(n.dir, "root.key")
	mine, err := os.ReadFile(place)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile(filepath.Join(other.dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place, theirs, 0o600); err != nil {
		t.Fatal(err)
	}
	n.refused("put the copy that was kept of that key back as " + place)
	if err := os.WriteFile(place, mine, 0o600); err != nil {
		t.Fatal(err)
	}
	key := server.URL + "/v1/transit/keys/origami"
	n.json(new(rotated), "root-key", "rotate", "--to", key)
	n.o.root.given = []string{key}
	transit.Seal(true)
	n.refused("Nothing is lost: see that the root key can be reached")
	transit.Seal(false)
	n.start()
	n.end()
	transit.Destroy("origami")
	n.refused("Restore the root key where it was")
}

// TestRotateNothing rotates the root key of what is no installation.
func TestRotateNothing(t *testing.T) {
	t.Parallel()
	c := newCommand()
	c.SetOut(io.Discard)
	c.SetErr(io.Discard)
	c.SetArgs([]string{"root-key", "rotate", "--data-dir", t.TempDir()})
	if err := c.ExecuteContext(context.Background()); err == nil || !strings.Contains(err.Error(), "holds no installation") {
		t.Errorf("got error %v", err)
	}
}

package vmie_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
	"origami/internal/vmie"
)

// TestImportEncrypted imports a disk where encryption by default is on: its
// snapshot has the account's key, and no file of the installation its content.
func TestImportEncrypted(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	if err := r.Update(func(tx *metadb.Tx) error { return r.EBS.SetEncryptionByDefault(tx, alice, true) }); err != nil {
		t.Fatal(err)
	}
	content := noise(1 << 20)
	found := func(name string) (where string) {
		img, err := r.VMIE.ImportDisk(t.Context(), alice, vmie.Request{Name: name, Format: "raw"}, bytes.NewReader(content), int64(len(content)), nil)
		if err != nil {
			t.Fatal(err)
		}
		snap := r.Snapshot(region, img.Snapshots()[0])
		if e := *img.BlockDevices[0].EBS.Encrypted; e != snap.Encrypted || e != (snap.KMSKey != "") {
			t.Errorf("the image says encrypted = %v, its snapshot %v, with key %q", e, snap.Encrypted, snap.KMSKey)
		}
		v := r.NewVolume(alice, 1, snap.ID)
		if got := r.Read(region, v.ID, 0, len(content)); !bytes.Equal(got, content) {
			t.Error("a volume of the image is not the disk")
		}
		err = filepath.Walk(r.Dir, func(path string, info os.FileInfo, err error) error {
			if err == nil && info.Mode().IsRegular() {
				var p []byte
				if p, err = os.ReadFile(path); bytes.Contains(p, content[5000:5064]) {
					where = path
				}
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // the service is at work
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return where
	}
	if where := found("secret"); where != "" {
		t.Errorf("the content is found in %s", where)
	}
	if err := r.Update(func(tx *metadb.Tx) error { return r.EBS.SetEncryptionByDefault(tx, alice, false) }); err != nil {
		t.Fatal(err)
	}
	if where := found("open"); where == "" {
		t.Error("the content of a disk that is not encrypted is not found: the search is wrong")
	}
}

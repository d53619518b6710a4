package kms_test

import (
	"errors"
	"testing"

	"origami"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// FuzzDecrypt gives the decoder of blobs whatever a caller may send, between
// blobs that are good.
func FuzzDecrypt(f *testing.F) {
	r := newRig(f)
	var blobs [][]byte
	for _, in := range []kms.NewKey{{}, {MultiRegion: true}} {
		c, err := r.Encrypt(f.Context(), root(alice, east), r.create(root(alice, east), in).ARN(), []byte("secret"), nil)
		if err != nil {
			f.Fatal(err)
		}
		blobs = append(blobs, c.Blob)
	}
	f.Add([]byte{}, -1)
	f.Add(make([]byte, 71), -1)
	f.Add([]byte{1, 1, 2, 3}, 0)
	f.Add([]byte{1}, 21)
	f.Add([]byte{0xff}, 22)
	f.Add([]byte{3}, 1)
	f.Fuzz(func(t *testing.T, edit []byte, at int) {
		for _, blob := range blobs {
			if at >= 0 && at < len(blob) {
				changed := append([]byte{}, blob...)
				n := copy(changed[at:], edit)
				if string(changed[at:at+n]) == string(blob[at:at+n]) {
					continue
				}
				blob = changed
			} else {
				blob = edit
			}
			out, err := r.Decrypt(t.Context(), root(alice, east), "", blob, nil)
			var e *origami.Error
			if err == nil || !errors.As(err, &e) || out != nil {
				t.Errorf("blob %x: got %v, %v, want a refusal", blob, out, err)
			}
			err = r.db.View(t.Context(), func(tx *metadb.Tx) error {
				_, err := r.ReopenDataKey(tx, east, blob, nil)
				return err
			})
			if !errors.As(err, &e) {
				t.Errorf("blob %x: reopen: got error %v, want a refusal", blob, err)
			}
		}
	})
}

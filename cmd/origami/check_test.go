package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck checks an installation that is sound, one whose index is lost, and
// one with a flipped bit.
func TestCheck(t *testing.T) {
	t.Parallel()
	n := install(t)
	_, snapshot := n.importDisk("disk", random(5, 3<<20))
	if err := n.try(t.Context(), new(bytes.Buffer), "check"); err == nil || !strings.Contains(err.Error(), "serves") {
		t.Errorf("check beside a running service: %v", err)
	}
	n.end()
	check := func(args ...string) (checked, error) {
		t.Helper()
		var out bytes.Buffer
		err := n.try(t.Context(), &out, append([]string{"check", "--output", "json"}, args...)...)
		var found checked
		if jsonErr := json.Unmarshal(out.Bytes(), &found); jsonErr != nil {
			t.Fatalf("%v: %q", errors.Join(err, jsonErr), out.String())
		}
		return found, err
	}
	found, err := check()
	if err != nil || !found.Sound || len(found.Things) != 1 || found.Things[0].ID != snapshot || found.Things[0].Bytes != 1<<30 {
		t.Fatalf("check of a sound installation: %+v, %v", found, err)
	}

	db, err := dataDir(n.dir).openDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.ResetBlocks(t.Context()), db.Close()); err != nil {
		t.Fatal(err)
	}
	var exit *exitError
	if found, err = check(); !errors.As(err, &exit) || found.Sound || found.Garbage == 0 {
		t.Errorf("check without an index: %+v, %v", found, err)
	}
	if found, err = check("--rebuild-index"); err != nil || !found.Sound || found.Packs == 0 {
		t.Errorf("check after rebuilding the index: %+v, %v", found, err)
	}

	flipStored(t, n)
	found, err = check()
	if !errors.As(err, &exit) || found.Sound || len(found.Things[0].Damage) != 1 {
		t.Errorf("check with a flipped bit: %+v, %v", found, err)
	}
	var out bytes.Buffer
	if err := n.try(t.Context(), &out, "check"); !errors.As(err, &exit) || !strings.Contains(out.String(), "1 blocks are damaged") {
		t.Errorf("check with a flipped bit: %v\n%s", err, &out)
	}
}

// flipStored flips a bit in the largest pack, which holds data.
func flipStored(t *testing.T, n *installation) {
	t.Helper()
	var largest string
	var size int64
	files, err := filepath.Glob(filepath.Join(n.dir, "store", "pack*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err == nil && info.Size() > size {
			largest, size = name, info.Size()
		}
	}
	b, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 8
	if err := os.WriteFile(largest, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

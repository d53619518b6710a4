package durable_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"origami/internal/durable"
	"origami/internal/durable/durabletest"
)

// eachFS runs a test on both file systems: what holds for one holds for the
// other, or the double proves nothing.
func eachFS(t *testing.T, test func(t *testing.T, fsys durable.FS)) {
	t.Run("os", func(t *testing.T) {
		t.Parallel()
		fsys, err := durable.OS(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		test(t, fsys)
	})
	t.Run("crashfs", func(t *testing.T) {
		t.Parallel()
		test(t, durabletest.New())
	})
}

func put(t *testing.T, fsys durable.FS, name, data string) {
	t.Helper()
	if err := durable.WriteFile(fsys, name, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, fsys durable.FS, name string) string {
	t.Helper()
	data, err := durable.ReadFile(fsys, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func list(t *testing.T, fsys durable.FS, dir string) []string {
	t.Helper()
	names, err := fsys.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestNames(t *testing.T) {
	t.Parallel()
	eachFS(t, func(t *testing.T, fsys durable.FS) {
		if err := fsys.Mkdir("d"); err != nil {
			t.Fatal(err)
		}
		put(t, fsys, "d/a", "one")
		put(t, fsys, "d/b", "two")
		if err := fsys.Link("d/a", "d/c"); err != nil {
			t.Fatal(err)
		}
		if err := fsys.Rename("d/b", "d/a"); err != nil {
			t.Fatal(err)
		}
		if got, want := list(t, fsys, "d"), []string{"a", "c"}; !slices.Equal(got, want) {
			t.Errorf("List = %q, want %q", got, want)
		}
		if got, want := get(t, fsys, "d/a")+get(t, fsys, "d/c"), "twoone"; got != want {
			t.Errorf("contents = %q, want %q", got, want)
		}
		for _, tc := range []struct {
			name string
			err  error
			want error
		}{
			{"mkdir taken", fsys.Mkdir("d"), fs.ErrExist},
			{"mkdir orphan", fsys.Mkdir("x/y"), fs.ErrNotExist},
			{"link onto a file", fsys.Link("d/a", "d/c"), fs.ErrExist},
			{"rename nothing", fsys.Rename("d/x", "d/y"), fs.ErrNotExist},
			{"remove nothing", fsys.Remove("d/x"), fs.ErrNotExist},
			{"remove a full directory", fsys.Remove("d"), syscall.ENOTEMPTY},
			{"sync nothing", fsys.SyncDir("x"), fs.ErrNotExist},
			{"create taken", second(fsys.Create("d/a")), fs.ErrExist},
			{"open nothing", second(fsys.Open("d/x")), fs.ErrNotExist},
		} {
			if !errors.Is(tc.err, tc.want) {
				t.Errorf("%s: %v, want %v", tc.name, tc.err, tc.want)
			}
		}
		for _, name := range []string{"../x", "/x", "d/../../x", ""} {
			if f, err := fsys.Create(name); err == nil {
				f.Close()
				t.Errorf("Create(%q) succeeded", name)
			}
		}
		if _, err := fsys.Open("d"); err == nil {
			t.Error("Open of a directory succeeded")
		}
	})
}

func second(_ durable.File, err error) error { return err }

func TestFile(t *testing.T) {
	t.Parallel()
	eachFS(t, func(t *testing.T, fsys durable.FS) {
		f, err := fsys.Create("f")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		const size = 5*durabletest.PageSize + 100
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i%251) + 1
		}
		if _, err := f.WriteAt(want[7:], 7); err != nil {
			t.Fatal(err)
		}
		durable.StartWriteback(f, 0, size)
		durable.Reserve(f, size, 1<<20)
		if n, err := f.Size(); err != nil || n != size {
			t.Errorf("Size behind Reserve = %d, %v, want %d", n, err, size)
		}
		if _, err := f.WriteAt(want[:7], 0); err != nil {
			t.Fatal(err)
		}
		checkFile(t, f, want)

		if err := f.PunchHole(100, 2*durabletest.PageSize); err != nil {
			t.Fatal(err)
		}
		clear(want[100 : 100+2*durabletest.PageSize])
		checkFile(t, f, want)
		if err := f.PunchHole(size-10, 1<<20); err != nil {
			t.Fatal(err)
		}
		clear(want[size-10:])
		checkFile(t, f, want)

		if err := f.Truncate(300); err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(3 * durabletest.PageSize); err != nil {
			t.Fatal(err)
		}
		want = want[:3*durabletest.PageSize]
		clear(want[300:])
		checkFile(t, f, want)
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		n, err := f.ReadAt(make([]byte, 10), int64(len(want))-4)
		if n != 4 || err != io.EOF {
			t.Errorf("ReadAt across the end = %d, %v, want 4, EOF", n, err)
		}
		if _, err := f.WriteAt([]byte("x"), -1); err == nil {
			t.Error("WriteAt at -1 succeeded")
		}
	})
}

func checkFile(t *testing.T, f durable.File, want []byte) {
	t.Helper()
	size, err := f.Size()
	if err != nil || size != int64(len(want)) {
		t.Fatalf("Size = %d, %v, want %d", size, err, len(want))
	}
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("byte %d = %#x, want %#x", i, got[i], want[i])
		}
	}
}

func TestOSStaysInside(t *testing.T) {
	t.Parallel()
	outside, root := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	fsys, err := durable.OS(root)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := fsys.Open("out/f"); err == nil {
		f.Close()
		t.Error("a symbolic link led out of the root")
	}
	if _, err := durable.OS(filepath.Join(root, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OS of an absent directory: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestReadFileLimit(t *testing.T) {
	t.Parallel()
	eachFS(t, func(t *testing.T, fsys durable.FS) {
		put(t, fsys, "f", "12345")
		if _, err := durable.ReadFile(fsys, "f", 4); !errors.Is(err, durable.ErrTooLarge) {
			t.Errorf("ReadFile above the limit: %v, want %v", err, durable.ErrTooLarge)
		}
	})
}

// WriteFile cut off after each of its steps, and crashed there in many ways,
// leaves the old contents or the new, and the new once it has returned.
func TestWriteFileCrash(t *testing.T) {
	t.Parallel()
	for steps := 0; ; steps++ {
		fsys := durabletest.New()
		put(t, fsys, "f", "old")
		fsys.StopAfter(steps)
		err := durable.WriteFile(fsys, "f", []byte("new contents"))
		for seed := range uint64(50) {
			after := fsys.Crash(seed)
			got := get(t, after, "f")
			if got != "new contents" && (got != "old" || err == nil) {
				t.Fatalf("steps %d, seed %d: contents %q after WriteFile returned %v", steps, seed, got, err)
			}
			put(t, after, "f", "again") // whatever was left behind
		}
		if err == nil {
			return
		}
		if !errors.Is(err, durabletest.ErrStopped) {
			t.Fatal(err)
		}
	}
}

func TestWriteFileFaults(t *testing.T) {
	t.Parallel()
	for _, op := range []durabletest.Op{durabletest.OpCreate, durabletest.OpWrite, durabletest.OpSync, durabletest.OpRename, durabletest.OpSyncDir} {
		t.Run(string(op), func(t *testing.T) {
			fsys := durabletest.New()
			put(t, fsys, "f", "old")
			fsys.Fail(op, 1, syscall.ENOSPC)
			if err := durable.WriteFile(fsys, "f", []byte("new")); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("WriteFile: %v, want %v", err, syscall.ENOSPC)
			}
			if got := list(t, fsys, "."); fmt.Sprint(got) != "[f]" {
				t.Errorf("files left: %q", got)
			}
			put(t, fsys, "f", "new")
			if got, want := get(t, fsys, "f"), "new"; got != want {
				t.Errorf("contents = %q, want %q", got, want)
			}
		})
	}
}

package durabletest_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"origami/internal/durable"
	"origami/internal/durable/durabletest"
)

const seeds = 200

func create(t *testing.T, fsys durable.FS, name string) durable.File {
	t.Helper()
	f, err := fsys.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f durable.File, off int64, b byte, n int) {
	t.Helper()
	if _, err := f.WriteAt(bytes.Repeat([]byte{b}, n), off); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, fsys durable.FS, name string) []byte {
	t.Helper()
	f, err := fsys.Open(name)
	must(t, err)
	defer f.Close()
	size, err := f.Size()
	must(t, err)
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return data
}

// outcomes crashes fsys in many ways and returns the different results.
func outcomes(fsys *durabletest.CrashFS, describe func(*durabletest.CrashFS) string) []string {
	seen := make(map[string]bool)
	for seed := range uint64(seeds) {
		seen[describe(fsys.Crash(seed))] = true
	}
	var all []string
	for s := range seen {
		all = append(all, s)
	}
	slices.Sort(all)
	return all
}

func TestPagesSurviveOneByOne(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	f := create(t, fsys, "f")
	write(t, f, 0, 'a', 2*durabletest.PageSize)
	must(t, f.Sync())
	must(t, fsys.SyncDir("."))
	write(t, f, 0, 'b', 2*durabletest.PageSize)
	write(t, f, 0, 'c', durabletest.PageSize)

	got := outcomes(fsys, func(fsys *durabletest.CrashFS) string {
		data := read(t, fsys, "f")
		for i := range data {
			if data[i] != data[i/durabletest.PageSize*durabletest.PageSize] {
				t.Fatalf("page torn at byte %d", i)
			}
		}
		return string([]byte{data[0], data[durabletest.PageSize]})
	})
	if want := []string{"aa", "ab", "ba", "bb", "ca", "cb"}; !slices.Equal(got, want) {
		t.Errorf("outcomes = %q, want %q", got, want)
	}

	must(t, f.Sync())
	got = outcomes(fsys, func(fsys *durabletest.CrashFS) string {
		data := read(t, fsys, "f")
		return string([]byte{data[0], data[durabletest.PageSize]})
	})
	if want := []string{"cb"}; !slices.Equal(got, want) {
		t.Errorf("outcomes after Sync = %q, want %q", got, want)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	f := create(t, fsys, "f")
	must(t, fsys.SyncDir("."))
	write(t, f, 0, 'a', 10)
	must(t, f.Sync())
	must(t, f.Truncate(4))
	write(t, f, 4, 'b', 2)
	got := outcomes(fsys, func(fsys *durabletest.CrashFS) string { return string(read(t, fsys, "f")) })
	for _, want := range []string{"aaaaaaaaaa", "aaaa", "aaaabb", "aaaa\x00\x00"} {
		if !slices.Contains(got, want) {
			t.Errorf("outcomes %q lack %q", got, want)
		}
	}
}

func names(t *testing.T, dirs ...string) func(*durabletest.CrashFS) string {
	return func(fsys *durabletest.CrashFS) string {
		var all []byte
		for _, dir := range dirs {
			names, err := fsys.List(dir)
			must(t, err)
			for _, name := range names {
				if f, err := fsys.Open(dir + "/" + name); err == nil || dir == "." {
					all = append(all, name...)
					if f != nil {
						f.Close()
					}
				}
			}
			all = append(all, '|')
		}
		return string(all)
	}
}

func TestNamesSurviveOneByOne(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	create(t, fsys, "a")
	must(t, fsys.SyncDir("."))
	create(t, fsys, "b")
	must(t, fsys.Rename("a", "c"))
	got := outcomes(fsys, names(t, "."))
	if want := []string{"ab|", "a|", "bc|", "c|"}; !slices.Equal(got, want) {
		t.Errorf("outcomes = %q, want %q", got, want)
	}
	must(t, fsys.SyncDir("."))
	if got, want := outcomes(fsys, names(t, ".")), []string{"bc|"}; !slices.Equal(got, want) {
		t.Errorf("outcomes after SyncDir = %q, want %q", got, want)
	}
	must(t, fsys.Remove("b"))
	if got, want := outcomes(fsys, names(t, ".")), []string{"bc|", "c|"}; !slices.Equal(got, want) {
		t.Errorf("outcomes after Remove = %q, want %q", got, want)
	}
}

func TestRenameBetweenDirectories(t *testing.T) {
	t.Parallel()
	setup := func() *durabletest.CrashFS {
		fsys := durabletest.New()
		must(t, fsys.Mkdir("x"))
		must(t, fsys.Mkdir("y"))
		create(t, fsys, "x/f")
		for _, dir := range []string{".", "x", "y"} {
			must(t, fsys.SyncDir(dir))
		}
		must(t, fsys.Rename("x/f", "y/f"))
		return fsys
	}
	for _, tc := range []struct {
		name string
		sync []string
		want []string
	}{
		{"no sync", nil, []string{"f||", "|f|"}},
		{"new synced", []string{"y"}, []string{"f|f|", "|f|"}},
		{"old synced", []string{"x"}, []string{"|f|"}},
		{"both synced", []string{"y", "x"}, []string{"|f|"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fsys := setup()
			for _, dir := range tc.sync {
				must(t, fsys.SyncDir(dir))
			}
			if got := outcomes(fsys, names(t, "x", "y")); !slices.Equal(got, tc.want) {
				t.Errorf("outcomes = %q, want %q", got, tc.want)
			}
		})
	}
}

// An older change of a name never comes back over a newer one that is durable.
func TestDurableNameIsFinal(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	must(t, fsys.Mkdir("x"))
	must(t, fsys.SyncDir("."))
	write(t, create(t, fsys, "f"), 0, '1', 1)
	must(t, fsys.Rename("f", "x/f"))
	f := create(t, fsys, "f")
	write(t, f, 0, '2', 1)
	must(t, f.Sync())
	must(t, fsys.SyncDir("."))
	got := outcomes(fsys, func(fsys *durabletest.CrashFS) string { return string(read(t, fsys, "f")) })
	if want := []string{"2"}; !slices.Equal(got, want) {
		t.Errorf("outcomes = %q, want %q", got, want)
	}
}

func TestCrashIsRepeatable(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	for _, name := range []string{"a", "b", "c", "d"} {
		write(t, create(t, fsys, name), 0, name[0], 3*durabletest.PageSize)
	}
	for seed := range uint64(20) {
		one, two := fsys.Crash(seed), fsys.Crash(seed)
		if got, want := names(t, ".")(one), names(t, ".")(two); got != want {
			t.Fatalf("seed %d: %q and %q", seed, got, want)
		}
		list, err := one.List(".")
		must(t, err)
		for _, name := range list {
			if !bytes.Equal(read(t, one, name), read(t, two, name)) {
				t.Fatalf("seed %d: %s differs", seed, name)
			}
		}
	}
}

// After a failed Sync no later Sync saves what the first one lost.
func TestFailedSyncIsFinal(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	f := create(t, fsys, "f")
	must(t, fsys.SyncDir("."))
	const pages = 64
	write(t, f, 0, 'a', pages*durabletest.PageSize)
	fsys.Fail(durabletest.OpSync, 1, syscall.EIO)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Sync: %v, want %v", err, syscall.EIO)
	}
	if got := bytes.Count(read(t, fsys, "f"), []byte("a")); got != pages*durabletest.PageSize {
		t.Errorf("%d bytes readable before the crash, want all", got)
	}
	must(t, f.Sync())
	if got := bytes.Count(read(t, fsys.Crash(1), "f"), []byte("a")); got == pages*durabletest.PageSize {
		t.Error("a second Sync saved all pages that the failed one had dropped")
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	f := create(t, fsys, "f")
	fsys.Fail(durabletest.OpWrite, 2, syscall.ENOSPC)
	write(t, f, 0, 'a', 10)
	n, err := f.WriteAt(bytes.Repeat([]byte("b"), 10), 0)
	if n != 5 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("second WriteAt = %d, %v, want 5, ENOSPC", n, err)
	}
	if got, want := string(read(t, fsys, "f")), "bbbbbaaaaa"; got != want {
		t.Errorf("contents = %q, want %q", got, want)
	}
	write(t, f, 0, 'c', 10)

	fsys.StopAfter(1)
	write(t, f, 0, 'd', 10)
	for range 2 {
		if _, err := f.WriteAt([]byte("e"), 0); !errors.Is(err, durabletest.ErrStopped) {
			t.Errorf("WriteAt after the stop: %v, want %v", err, durabletest.ErrStopped)
		}
	}
	if _, err := fsys.Open("f"); !errors.Is(err, durabletest.ErrStopped) {
		t.Errorf("Open after the stop: %v, want %v", err, durabletest.ErrStopped)
	}
	if got, want := fsys.Count(durabletest.OpWrite), 5; got != want { // with the one that met the stop
		t.Errorf("Count(OpWrite) = %d, want %d", got, want)
	}
	fsys.ClearFaults()
	if got, want := string(read(t, fsys, "f")), "dddddddddd"; got != want {
		t.Errorf("contents = %q, want %q", got, want)
	}
	must(t, f.Close())
	if _, err := f.WriteAt([]byte("e"), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("WriteAt after Close: %v, want %v", err, fs.ErrClosed)
	}
}

func TestKillAfter(t *testing.T) {
	t.Parallel()
	const pages, off = 4, 100
	lengths := make(map[int]bool)
	for before := range 40 {
		fsys := durabletest.New()
		f := create(t, fsys, "f")
		fsys.KillAfter(before)
		for range before {
			write(t, f, 0, 'a', 10)
		}
		if n, err := f.WriteAt(bytes.Repeat([]byte("b"), pages*durabletest.PageSize), off); n != 0 || !errors.Is(err, durabletest.ErrStopped) {
			t.Fatalf("WriteAt at the death: %d, %v; want 0, %v", n, err, durabletest.ErrStopped)
		}
		if _, err := f.WriteAt([]byte("c"), 0); !errors.Is(err, durabletest.ErrStopped) {
			t.Errorf("WriteAt after the death: %v, want %v", err, durabletest.ErrStopped)
		}
		fsys.ClearFaults()
		n := bytes.Count([]byte(read(t, fsys, "f")), []byte("b"))
		if end := n + off; n != 0 && n != pages*durabletest.PageSize && end%durabletest.PageSize != 0 {
			t.Errorf("%d bytes were written, which is not to the end of a page", n)
		}
		lengths[n] = true
	}
	if len(lengths) < 4 || !lengths[0] {
		t.Errorf("lengths %v: want nothing, parts and all", lengths)
	}
}

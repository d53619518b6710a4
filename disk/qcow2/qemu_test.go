package qcow2_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/disk/qcow2"
)

// qemu runs a program of qemu-utils, and skips the test where it is absent.
func qemu(t testing.TB, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// writeFile writes b to a new file and returns its path.
func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openFile opens a qcow2 file for the duration of the test.
func openFile(t testing.TB, path string) disk.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := qcow2.Open(f, info.Size())
	if err != nil {
		t.Fatalf("Open(%s): %v", filepath.Base(path), err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// sum is the SHA-256 of everything m holds, by way of Copy.
func sum(t testing.TB, m disk.Image) [sha256.Size]byte {
	t.Helper()
	w := disktest.NewMemory(m.Size())
	if err := disk.Copy(t.Context(), w, m, nil); err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(w.Bytes())
}

// Whatever qemu-img writes must be read as it was.
func TestReadsWhatQEMUWrites(t *testing.T) {
	t.Parallel()
	want := disktest.Content(1, 4<<20+3*disk.SectorSize)
	source := writeFile(t, "source.raw", want)
	for _, version := range []string{"0.10", "1.1"} {
		for _, cluster := range []string{"512", "4k", "16k", "64k", "2M"} {
			for _, compression := range []string{"none", "zlib", "zstd"} {
				for _, extended := range []string{"off", "on"} {
					for _, prealloc := range []string{"off", "metadata", "falloc", "full"} {
						if version == "0.10" && (compression == "zstd" || extended == "on") ||
							extended == "on" && (cluster == "512" || cluster == "4k") ||
							compression != "none" && prealloc != "off" {
							continue // qemu-img refuses these
						}
						if (prealloc == "falloc" || prealloc == "full") && cluster != "64k" {
							continue // the tables are those of metadata
						}
						options := fmt.Sprintf("compat=%s,cluster_size=%s,extended_l2=%s,preallocation=%s", version, cluster, extended, prealloc)
						args := []string{"convert", "-f", "raw", "-O", "qcow2"}
						if compression != "none" {
							args = append(args, "-c")
							if version != "0.10" {
								options += ",compression_type=" + compression
							}
						}
						name := strings.NewReplacer(",", " ", "/", "_").Replace(options + ",compressed=" + compression)
						t.Run(name, func(t *testing.T) {
							t.Parallel()
							path := filepath.Join(t.TempDir(), "disk.qcow2")
							qemu(t, "qemu-img", append(args, "-o", options, source, path)...)
							m := openFile(t, path)
							if got, want := sum(t, m), sha256.Sum256(want); got != want {
								t.Errorf("SHA-256 is %x, want %x", got, want)
							}
							disktest.TestImage(t, m, want)
						})
					}
				}
			}
		}
	}
}

// A disk that a guest wrote to has clusters of all kinds in no order:
// preallocated zeros, discarded ones, rewritten compressed ones, and snapshots
// that share them.
func TestReadsWhatGuestsWrite(t *testing.T) {
	t.Parallel()
	for _, options := range []string{
		"compat=0.10", "compat=1.1", "compat=1.1,cluster_size=512", "compat=1.1,cluster_size=4k,refcount_bits=1",
		"compat=1.1,extended_l2=on", "compat=1.1,extended_l2=on,cluster_size=16k,compression_type=zstd",
		"compat=1.1,lazy_refcounts=on", "compat=1.1,cluster_size=2M,compression_type=zstd",
	} {
		t.Run(strings.ReplaceAll(options, ",", " "), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "disk.qcow2")
			qemu(t, "qemu-img", "create", "-f", "qcow2", "-o", options, path, "12583424")
			edit := func(commands ...string) {
				args := []string{"-f", "qcow2", "-d", "unmap"}
				for _, c := range commands {
					args = append(args, "-c", c)
				}
				qemu(t, "qemu-io", append(args, path)...)
			}
			edit("write -P 1 0 3M", "write -c -P 2 4M 2M", "write -P 3 4196352 512", "write -z 1M 300k",
				"write -z -u 2M 128k", "discard 2M 64k", "write -P 4 7000k 1k", "write -P 5 12582912 512", "write -P 6 10M 4k")
			if !strings.Contains(options, "refcount_bits=1") { // snapshots need more
				qemu(t, "qemu-img", "snapshot", "-c", "one", path)
				edit("write -P 7 64k 64k", "write -z 4M 1M", "write -P 8 5M 4k", "discard 0 64k")
				qemu(t, "qemu-img", "snapshot", "-c", "two", path)
			}
			plain := filepath.Join(t.TempDir(), "disk.raw")
			qemu(t, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, plain)
			want, err := os.ReadFile(plain)
			if err != nil {
				t.Fatal(err)
			}
			disktest.TestImage(t, openFile(t, path), want)
		})
	}
}

// What the writer commits must satisfy qemu-img's check, without leaks, and
// its comparison with the original.
func TestQEMUReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	want := disktest.Content(2, 4<<20+3*disk.SectorSize)
	source := writeFile(t, "source.raw", want)
	for _, o := range matrix() {
		t.Run(name(o), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "disk.qcow2")
			create(t, path, o, want)
			judge(t, source, path)
			if got, want := sum(t, openFile(t, path)), sha256.Sum256(want); got != want {
				t.Errorf("SHA-256 is %x, want %x", got, want)
			}
		})
	}
}

// matrix is every combination of options that makes a file.
func matrix() []qcow2.Options {
	var all []qcow2.Options
	for _, version := range []int{2, 3} {
		for _, cluster := range []int{512, 4 << 10, 16 << 10, 64 << 10, 1 << 20, 2 << 20} {
			for _, c := range []qcow2.Compression{qcow2.None, qcow2.Zlib, qcow2.Zstd} {
				for _, extended := range []bool{false, true} {
					if version == 2 && (extended || c == qcow2.Zstd) || extended && cluster < 16<<10 {
						continue
					}
					all = append(all, qcow2.Options{Version: version, ClusterSize: cluster, Compression: c, ExtendedL2: extended})
				}
			}
		}
	}
	return all
}

func name(o qcow2.Options) string {
	return fmt.Sprintf("version=%d cluster=%d compression=%v extended=%v", o.Version, o.ClusterSize, o.Compression, o.ExtendedL2)
}

// create writes a disk as Copy does.
func create(t testing.TB, path string, o qcow2.Options, content []byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := qcow2.Create(f, int64(len(content)), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Copy(t.Context(), w, disktest.NewImage(content), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// judge asks qemu-img whether the file is sound and equal to source.
func judge(t testing.TB, source, path string) {
	t.Helper()
	if got, want := qemu(t, "qemu-img", "check", "-f", "qcow2", path), "No errors were found on the image.\n"; !strings.HasPrefix(got, want) {
		t.Errorf("qemu-img check says %q, want %q", got, want)
	}
	// It warns of different sizes, and goes on.
	if got, want := qemu(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", source, path), "Images are identical.\n"; got != want {
		t.Errorf("qemu-img compare says %q, want %q", got, want)
	}
}

// The same, written in disorder and again.
func TestQEMUReadsWhatIsRewritten(t *testing.T) {
	t.Parallel()
	for _, o := range []qcow2.Options{
		{}, {Compression: qcow2.Zstd}, {Compression: qcow2.Zlib, ClusterSize: 4096, Version: 2},
		{Compression: qcow2.Zstd, ClusterSize: 2 << 20, ExtendedL2: true},
	} {
		t.Run(name(o), func(t *testing.T) {
			t.Parallel()
			const size = 5 << 20
			want := disktest.Content(3, size)
			path := filepath.Join(t.TempDir(), "disk.qcow2")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			w, err := qcow2.Create(f, size, o)
			if err != nil {
				t.Fatal(err)
			}
			first := disktest.Content(4, size)
			for _, b := range [][]byte{first, want} {
				for off := size; off > 0; {
					n := min(off, 77_777)
					off -= n
					if _, err := w.WriteAt(b[off:off+n], int64(off)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := w.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			judge(t, writeFile(t, "source.raw", want), path)
			disktest.TestImage(t, openFile(t, path), want)
		})
	}
}

// Disks without data have tables, too.
func TestQEMUReadsEmptyDisks(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 512, 1 << 30, 1 << 40} {
		for _, o := range []qcow2.Options{{}, {Version: 2}, {Compression: qcow2.Zstd, ExtendedL2: true}} {
			t.Run(fmt.Sprintf("size=%d %s", size, name(o)), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path, source := filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "source.raw")
				for _, name := range []string{path, source} {
					f, err := os.Create(name)
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					if name == source {
						if err := f.Truncate(size); err != nil {
							t.Fatal(err)
						}
						continue
					}
					w, err := qcow2.Create(f, size, o)
					if err != nil {
						t.Fatal(err)
					}
					if err := w.Commit(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				judge(t, source, path)
			})
		}
	}
}

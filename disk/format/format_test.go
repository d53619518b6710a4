package format_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/disk/format"
	"origami/disk/qcow2"
)

// qcow2Image returns a qcow2 file that holds content.
func qcow2Image(t testing.TB, content []byte) []byte {
	t.Helper()
	var f disktest.File
	w, err := qcow2.Create(&f, int64(len(content)), qcow2.Options{ClusterSize: 4096, Compression: qcow2.Zstd})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f.Bytes()
}

func TestOpen(t *testing.T) {
	t.Parallel()
	content := disktest.Content(1, 1<<20)
	for name, file := range map[string][]byte{"raw": content, "qcow2": qcow2Image(t, content)} {
		m, got, err := format.Open(bytes.NewReader(file), int64(len(file)))
		if err != nil || got != name {
			t.Fatalf("Open of %s gives %q, %v", name, got, err)
		}
		disktest.TestImage(t, m, content)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		for _, declared := range []string{name, strings.ToUpper(name)} {
			m, err := format.OpenAs(declared, bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatalf("OpenAs(%q): %v", declared, err)
			}
			disktest.TestImage(t, m, content)
			m.Close()
		}
	}
}

// at returns a file of n bytes with s at off.
func at(n, off int, s string) []byte {
	b := make([]byte, n)
	copy(b[off:], s)
	return b
}

func archive(t *testing.T) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "machine.ovf", Size: 3, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("<x>")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Formats that cannot be read must be refused by name, and not be taken for
// raw, whatever they are declared to be.
func TestRefusesByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"sparse extent", "vmdk", at(1024, 0, "KDMV\x01")},
		{"ESX extent", "vmdk", at(1024, 0, "COWD")},
		{"SE sparse extent", "vmdk", at(1024, 0, "\xbe\xba\xfe\xca\x00\x00\x00\x00")},
		{"descriptor", "vmdk", []byte("# Disk DescriptorFile\nversion=1\n")},
		{"descriptor of another tool", "vmdk", []byte("\r\n#disk descriptorfile\nRW 1 FLAT \"/etc/passwd\" 0\n")},
		{"dynamic disk", "vhd", at(2048, 0, "conectix")},
		{"fixed disk", "vhd", at(2048, 1536, "conectix")},
		{"fixed disk with an old footer", "vhd", at(2047, 1536, "conectix")},
		{"vhdx", "vhdx", at(1024, 0, "vhdxfile")},
		{"archive", "ova", archive(t)},
		{"vdi", "vdi", at(1024, 0x40, "\x7f\x10\xda\xbe")},
		{"qed", "qed", at(1024, 0, "QED\x00")},
		{"parallels", "parallels", at(1024, 0, "WithoutFreeSpace")},
		{"envelope", "ovf", []byte("<?xml version=\"1.0\"?>\n<!-- a > b -->\n<ovf:Envelope xmlns:ovf=\"x\">")},
		{"bare envelope", "ovf", []byte("\xef\xbb\xbf<Envelope>")},
		{"gzip", "gzip", at(1024, 0, "\x1f\x8b\x08")},
		{"bzip2", "bzip2", at(1024, 0, "BZh91AY&SY")},
		{"xz", "xz", at(1024, 0, "\xfd7zXZ\x00")},
		{"zstd", "zstd", at(1024, 0, "\x28\xb5\x2f\xfd")},
		{"zip", "zip", at(1024, 0, "PK\x03\x04")},
		{"qcow", "qcow2", at(1024, 0, "QFI\xfb\x00\x00\x00\x01")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, size := bytes.NewReader(c.file), int64(len(c.file))
			m, got, err := format.Open(r, size)
			if m != nil || got != c.want || !errors.Is(err, disk.ErrUnsupported) {
				t.Fatalf("Open gives %q, %v, want %q, ErrUnsupported", got, err, c.want)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not name %s", err, c.want)
			}
			_, err = format.OpenAs("raw", r, size)
			var mismatch *format.MismatchError
			if !errors.As(err, &mismatch) || mismatch.Looks != c.want || !errors.Is(err, disk.ErrFormat) {
				t.Errorf("OpenAs raw gives %v, want a mismatch that says %s", err, c.want)
			}
			if _, err := format.OpenAs(c.want, r, size); !errors.Is(err, disk.ErrUnsupported) {
				t.Errorf("OpenAs %s gives %v, want ErrUnsupported", c.want, err)
			}
		})
	}
}

// CVE-2024-40767: declared raw, but really qcow2.
func TestDeclaredRawLooksLikeQcow2(t *testing.T) {
	t.Parallel()
	file := qcow2Image(t, make([]byte, 4096))
	_, err := format.OpenAs("RAW", bytes.NewReader(file), int64(len(file)))
	if got, want := err, "disk is declared to be raw but looks like qcow2"; got == nil || got.Error() != want {
		t.Errorf("OpenAs gives %v, want %q", got, want)
	}
	_, err = format.OpenAs("qcow2", bytes.NewReader(make([]byte, 4096)), 4096)
	if got, want := err, "disk is declared to be qcow2 but looks like raw"; got == nil || got.Error() != want {
		t.Errorf("OpenAs gives %v, want %q", got, want)
	}
}

func TestOpenAsUnknown(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "qcow3", "raw "} {
		if _, err := format.OpenAs(name, bytes.NewReader(nil), 0); !errors.Is(err, disk.ErrUnsupported) {
			t.Errorf("OpenAs(%q) = %v, want ErrUnsupported", name, err)
		}
	}
}

func TestOpenShort(t *testing.T) {
	t.Parallel()
	if _, _, err := format.Open(bytes.NewReader(make([]byte, 100)), 5000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Open of a file that is shorter than said = %v, want ErrUnexpectedEOF", err)
	}
	if _, _, err := format.Open(bytes.NewReader(nil), -1); err == nil {
		t.Error("Open of size -1 succeeds")
	}
	for size := range int64(600) { // no sniffer may read beyond what there is
		file := bytes.Repeat([]byte{0x55}, int(size))
		m, name, err := format.Open(bytes.NewReader(file), size)
		if err != nil || name != "raw" || m.Size() < size {
			t.Errorf("Open of %d bytes gives %q, %v, want raw", size, name, err)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var names []string
	for i, f := range format.Formats {
		names = append(names, f.Name)
		if last := i == len(format.Formats)-1; (f.Sniff == nil) != last || (f.Name == "raw") != last {
			t.Errorf("row %d is %s: raw, and only raw, must be last and match everything", i, f.Name)
		}
		if got, ok := format.ByName(strings.ToUpper(f.Name)); !ok || got.Name != f.Name || f.Name != strings.ToLower(f.Name) {
			t.Errorf("ByName(%q) = %q, %v", strings.ToUpper(f.Name), got.Name, ok)
		}
	}
	slices.Sort(names)
	if n := len(slices.Compact(names)); n != len(format.Formats) {
		t.Errorf("%d names for %d formats", n, len(format.Formats))
	}
}

// What QEMU writes must be recognised.
func TestRecognisesWhatQEMUWrites(t *testing.T) {
	t.Parallel()
	qemuImg, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("qemu-img is not installed")
	}
	for _, c := range []struct{ driver, options, want string }{
		{"raw", "", "raw"}, {"qcow2", "", "qcow2"}, {"qcow", "", "qcow2"}, {"qed", "", "qed"}, {"vdi", "", "vdi"},
		{"vhdx", "", "vhdx"}, {"vpc", "subformat=dynamic", "vhd"}, {"vpc", "subformat=fixed", "vhd"},
		{"vmdk", "subformat=monolithicSparse", "vmdk"}, {"vmdk", "subformat=streamOptimized", "vmdk"},
		{"vmdk", "subformat=monolithicFlat", "vmdk"}, {"parallels", "", "parallels"},
	} {
		t.Run(c.driver+" "+c.options, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "disk")
			args := []string{"create", "-f", c.driver}
			if c.options != "" {
				args = append(args, "-o", c.options)
			}
			out, err := exec.Command(qemuImg, append(args, path, "1M")...).CombinedOutput()
			if strings.Contains(string(out), "Unknown file format") {
				t.Skipf("this qemu-img is built without %s", c.driver)
			}
			if err != nil {
				t.Fatalf("qemu-img: %v: %s", err, out)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := format.Sniff(bytes.NewReader(b), int64(len(b)))
			if err != nil || f.Name != c.want {
				t.Errorf("Sniff gives %q, %v, want %q", f.Name, err, c.want)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("QFI\xfb\x00\x00\x00\x03"))
	f.Add([]byte("# Disk DescriptorFile"))
	f.Add(at(2048, 1536, "conectix"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, name, err := format.Open(bytes.NewReader(b), int64(len(b)))
		if (m == nil) != (err != nil) || name == "" {
			t.Fatalf("Open gives %v, %q, %v", m, name, err)
		}
		if err == nil {
			m.Close()
		}
		if name != "raw" {
			if _, err := format.OpenAs("raw", bytes.NewReader(b), int64(len(b))); err == nil {
				t.Fatalf("a %s file can be opened as raw", name)
			}
		}
	})
}

package nbd_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"origami/nbd"
)

// tool runs a program of somebody else, and skips the test if it is absent.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}

func uri(path, name string) string { return "nbd+unix:///" + name + "?socket=" + path }

// patterned is a device of size bytes with random data and holes.
func patterned(size int) *memory {
	dev := newMemory(size)
	rng := rand.New(rand.NewPCG(3, 4))
	for off := 0; off < size; off += 64 << 10 {
		if rng.IntN(2) == 0 {
			p := make([]byte, min(64<<10, size-off))
			for i := range p {
				p[i] = byte(rng.Uint32())
			}
			dev.WriteAt(p, int64(off))
		}
	}
	return dev
}

func TestNbdinfo(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	export(t, &srv, "vol", patterned(1<<20), nbd.ExportOptions{Description: "a volume"})
	var got struct {
		Exports []map[string]any
	}
	out := tool(t, "nbdinfo", "--json", "--list", uri(start(t, &srv), ""))
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Exports) != 1 {
		t.Fatalf("%v in %s", err, out)
	}
	for k, want := range map[string]any{
		"export-name": "vol", "description": "a volume", "export-size": float64(1 << 20),
		"can_multi_conn": true, "can_trim": true, "can_zero": true, "can_fast_zero": true,
		"can_flush": true, "can_fua": true, "can_df": true, "is_read_only": false,
		"block_size_maximum": float64(nbd.MaxRequest),
	} {
		if got.Exports[0][k] != want {
			t.Errorf("%s is %v, want %v", k, got.Exports[0][k], want)
		}
	}
}

func TestNbdcopy(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	src, dst := patterned(10<<20), newMemory(10<<20)
	export(t, &srv, "src", src, nbd.ExportOptions{ReadOnly: true})
	export(t, &srv, "dst", dst, nbd.ExportOptions{})
	path := start(t, &srv)
	tool(t, "nbdcopy", "--flush", "--connections=4", uri(path, "src"), uri(path, "dst"))
	if !bytes.Equal(src.data, dst.data) {
		t.Error("copy differs")
	}
	if dst.flushes == 0 {
		t.Error("copy was not flushed")
	}
	file := filepath.Join(t.TempDir(), "raw")
	tool(t, "nbdcopy", uri(path, "dst"), file)
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, src.data) {
		t.Errorf("copy to a file differs (%v)", err)
	}
}

func TestQemuImg(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	dev := newMemory(1 << 20)
	dev.WriteAt(bytes.Repeat([]byte{1}, 128<<10), 256<<10)
	export(t, &srv, "vol", dev, nbd.ExportOptions{})
	path := start(t, &srv)
	var got []struct {
		Start, Length int64
		Zero          bool
	}
	out := tool(t, "qemu-img", "map", "-f", "raw", "--output=json", uri(path, "vol"))
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(got) != 3 || got[1].Zero || got[1].Start != 256<<10 || got[1].Length != 128<<10 || !got[0].Zero || !got[2].Zero {
		t.Errorf("map is %+v", got)
	}
	file := filepath.Join(t.TempDir(), "q")
	tool(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", uri(path, "vol"), file)
	tool(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", uri(path, "vol"), file)
}

func TestQemuIO(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	dev := newMemory(1 << 20)
	export(t, &srv, "vol", dev, nbd.ExportOptions{})
	tool(t, "qemu-io", "-f", "raw", "-d", "unmap",
		"-c", "write -P 0xab 0 128k", "-c", "write -f -P 0xcd 100k 4k", "-c", "read -P 0xcd 100k 4k",
		"-c", "write -z -u 64k 8k", "-c", "read -P 0 64k 8k", "-c", "discard 0 32k", "-c", "flush",
		"-c", "aio_write -P 1 512k 64k", "-c", "aio_read 256k 64k", "-c", "aio_flush", uri(start(t, &srv), "vol"))
	for _, at := range []struct {
		off  int
		want byte
	}{{0, 0}, {32 << 10, 0xab}, {64 << 10, 0}, {100 << 10, 0xcd}, {104 << 10, 0xab}, {512 << 10, 1}, {576 << 10, 0}} {
		if got := dev.data[at.off]; got != at.want {
			t.Errorf("byte at %d is %#x, want %#x", at.off, got, at.want)
		}
	}
	if dev.flushes == 0 {
		t.Error("never flushed")
	}
}

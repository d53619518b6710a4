package qemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"origami/internal/vmm"
)

// machineDir is the path of the directory of one machine.
type machineDir string

func (d machineDir) path(name string) string { return filepath.Join(string(d), name) }

func (d machineDir) spec() string       { return d.path("spec.json") }
func (d machineDir) ended() string      { return d.path("ended.json") }
func (d machineDir) pid() string        { return d.path("pid") }
func (d machineDir) monitor() string    { return d.path("qmp.sock") }
func (d machineDir) console() string    { return d.path("console.log") }
func (d machineDir) consoleOld() string { return d.path("console.old") }
func (d machineDir) stderr() string     { return d.path("stderr.log") }

// maxSocketPath is the longest path of a UNIX socket: sun_path without the
// zero that ends it.
const maxSocketPath = 107

// checkSocketPath reports a path that is too long, which the system calls an
// invalid argument.
func checkSocketPath(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("socket path %s has %d bytes, more than the %d of a UNIX socket", path, len(path), maxSocketPath)
	}
	return nil
}

// formatVersion is that of the files in a machine's directory.
const formatVersion = 1

// maxRecord bounds a file of the directory, in bytes, before it is read.
const maxRecord = 1 << 20

// record is the envelope of the JSON files in a machine's directory.
type record struct {
	Version int             `json:"version"`
	CRC32C  uint32          `json:"crc32c"` // of Body
	Body    json.RawMessage `json:"body"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ending is the body of ended.json.
type ending struct {
	Reason  string
	ByGuest bool `json:",omitempty"` // the guest powered itself off
	Time    time.Time
}

// writeRecord writes a file that is whole or absent.
func writeRecord(path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	b, err = json.Marshal(record{Version: formatVersion, CRC32C: crc32.Checksum(b, castagnoli), Body: b})
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// openRegular opens a file of a machine's directory for reading. What is no
// file is refused: a guest that took over its QEMU may have put there a link to
// somewhere else, or a pipe that nobody writes to.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readRecord reads the file into body.
func readRecord(path string, body any) error {
	f, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	switch {
	case err != nil:
		return err
	case len(b) > maxRecord:
		return fmt.Errorf("%s: more than %d bytes", path, maxRecord)
	}
	if err := parseRecord(b, body); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func parseRecord(b []byte, body any) error {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	switch {
	case r.Version != formatVersion:
		return fmt.Errorf("version %d, not %d", r.Version, formatVersion)
	case r.CRC32C != crc32.Checksum(r.Body, castagnoli):
		return errors.New("checksum does not match")
	}
	return json.Unmarshal(r.Body, body)
}

// readSpec reads the specification that the machine was started with.
func (d machineDir) readSpec() (vmm.Spec, error) {
	var spec vmm.Spec
	if err := readRecord(d.spec(), &spec); err != nil {
		return vmm.Spec{}, err
	}
	if err := spec.Validate(); err != nil {
		return vmm.Spec{}, fmt.Errorf("%s: %w", d.spec(), err)
	}
	if want := filepath.Base(string(d)); spec.ID != want {
		return vmm.Spec{}, fmt.Errorf("%s: of machine %s", d.spec(), spec.ID)
	}
	return spec, nil
}

// readEnding reads how the machine ended; the reason is a general one when
// nobody saw it.
func (d machineDir) readEnding() ending {
	var e ending
	if err := readRecord(d.ended(), &e); err == nil && e.Reason != "" {
		return e
	}
	return ending{Reason: describe("ended while no driver was open", d.stderrTail())}
}

// stderrTail is the last that QEMU said, as one line for people.
func (d machineDir) stderrTail() string {
	b, err := readTail(d.stderr(), 1024)
	if err != nil {
		return ""
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(b), "?")), " ")
	return strings.ReplaceAll(text, "qemu-system-x86_64: ", "")
}

// maxReason bounds the reason of an end, in bytes: who asks for an instance
// gets it.
const maxReason = 2 << 10

// shorten cuts a reason that is too long. QEMU says what it likes.
func shorten(reason string) string {
	if len(reason) > maxReason {
		reason = reason[:maxReason] + "…"
	}
	return strings.ToValidUTF8(reason, "?")
}

// describe joins what happened and what QEMU said.
func describe(what, said string) string {
	if said == "" {
		return what
	}
	return what + ": " + said
}

// readTail reads the last bytes of a file, at most limit of them.
func readTail(path string, limit int64) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	n := min(limit, info.Size())
	b := make([]byte, n)
	read, err := f.ReadAt(b, info.Size()-n)
	if errors.Is(err, io.EOF) { // it has been truncated
		err = nil
	}
	return b[:read], err
}

// removeSockets deletes the sockets that QEMU made for the network cards and
// cannot delete when it is killed.
func removeSockets(spec vmm.Spec) error {
	var errs []error
	for _, n := range spec.NICs {
		info, err := os.Lstat(n.Socket)
		if err == nil && info.Mode().Type() == fs.ModeSocket {
			err = os.Remove(n.Socket)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

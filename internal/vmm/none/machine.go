package none

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"origami/internal/vmm"
)

// Banner is what a machine prints when it starts and when it is reset.
const Banner = "This machine executes nothing (origami serve --vmm none).\r\n"

// maxConsole is how much of a console is kept, in bytes.
const maxConsole = 64 << 10

// powerButton is the reason of an end that the guest made.
const powerButton = "power button"

// The files of a machine.
const (
	consoleFile = "console"
	endedFile   = "ended"
)

// fresh is the suffix of names that are being made or removed. It is in no ID.
const fresh = "~"

// machine is a machine; it may have ended.
type machine struct {
	id      string
	dir     string
	console []byte
	printed int64 // bytes in all, of which console holds the last
	ended   bool
	reason  string

	disks     map[int]vmm.Disk // by slot
	recovered bool             // of an earlier driver: disks is not all
}

// load finds the machines in a directory and clears away what a process that
// died in the middle of something has left.
func load(dir string) (map[string]*machine, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	machines := make(map[string]*machine)
	for _, e := range entries {
		if !e.IsDir() || !vmm.ValidID(e.Name()) {
			if id, ours := strings.CutSuffix(e.Name(), fresh); ours && vmm.ValidID(id) {
				if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
					return nil, err
				}
			}
			continue
		}
		m := &machine{id: e.Name(), dir: filepath.Join(dir, e.Name())}
		if err := m.load(); err != nil {
			return nil, err
		}
		m.setDisks(nil)
		m.recovered = true
		machines[m.id] = m
	}
	return machines, nil
}

func (m *machine) load() error {
	var err error
	if m.console, err = os.ReadFile(filepath.Join(m.dir, consoleFile)); err != nil {
		return err
	}
	m.trim()
	m.printed = int64(len(m.console))
	reason, err := os.ReadFile(filepath.Join(m.dir, endedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	m.ended, m.reason = true, string(reason)
	return err
}

// create makes a running machine in place of one that has ended.
func create(dir, id string) (*machine, error) {
	m := &machine{id: id, dir: filepath.Join(dir, id+fresh)}
	if err := os.RemoveAll(m.dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		return nil, err
	}
	err := m.print(Banner)
	if err == nil {
		err = os.RemoveAll(filepath.Join(dir, id))
	}
	if err == nil {
		err = os.Rename(m.dir, filepath.Join(dir, id))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(m.dir))
	}
	m.dir = filepath.Join(dir, id)
	return m, nil
}

// print adds to the console.
func (m *machine) print(text string) error {
	m.console = append(m.console, text...)
	m.printed += int64(len(text))
	m.trim()
	return m.write(consoleFile, m.console)
}

func (m *machine) trim() {
	if over := len(m.console) - maxConsole; over > 0 {
		m.console = slices.Delete(m.console, 0, over)
	}
}

// end notes that the machine has ended.
func (m *machine) end(reason string) error {
	err := m.print("The machine ends: " + reason + ".\r\n")
	if err == nil {
		err = m.write(endedFile, []byte(reason))
	}
	if err == nil {
		m.ended, m.reason = true, reason
	}
	return err
}

// remove deletes the machine's directory, whose name goes first: half of a
// machine is none.
func (m *machine) remove() error {
	gone := m.dir + fresh
	if err := os.Rename(m.dir, gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// write replaces a file of the machine at once.
func (m *machine) write(name string, data []byte) error {
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path+fresh, data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+fresh, path)
}

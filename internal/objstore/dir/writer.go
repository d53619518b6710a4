package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"origami/internal/durable"
	"origami/internal/objstore"
)

// writebackStep is how much is written before the system is asked to begin
// writing it out, so that the sync at the end finds little left to do.
const writebackStep = 4 << 20

// errDone is the error of using a writer after Commit or Abort.
var errDone = errors.New("object writer is finished")

type writer struct {
	b         *Bucket
	name      string // of the object
	file      string // the same, as a file
	tmp       string
	f         durable.File // nil when finished
	off       int64
	writeback int64 // what lies before was handed to StartWriteback
	err       error // of the first Write that failed
}

func (w *writer) Write(p []byte) (int, error) {
	if w.f == nil {
		return 0, errDone
	}
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.f.WriteAt(p, w.off)
	w.off += int64(n)
	if err != nil {
		w.err = fmt.Errorf("write object %s: %w", w.name, err)
		return n, w.err
	}
	if w.off-w.writeback >= writebackStep {
		durable.StartWriteback(w.f, w.writeback, w.off-w.writeback)
		w.writeback = w.off
	}
	return n, nil
}

// Commit implements [objstore.ObjectWriter].
func (w *writer) Commit(ctx context.Context) error {
	if w.f == nil {
		return errDone
	}
	if err := w.commit(ctx); err != nil {
		return fmt.Errorf("commit object %s: %w", w.name, errors.Join(err, w.Abort()))
	}
	return nil
}

func (w *writer) commit(ctx context.Context) error {
	if w.err != nil {
		return w.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	w.b.hide(w.file)
	defer w.b.unhide(w.file)
	if err := w.b.fs.Link(w.tmp, w.file); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return objstore.ErrExist
		}
		return err
	}
	if err := w.b.fs.SyncDir("."); err != nil {
		return errors.Join(err, w.b.fs.Remove(w.file))
	}
	// The object is there for good. What fails from here on leaves a second
	// name of the file, which the next Open removes.
	_ = w.f.Close()
	w.f = nil
	_ = w.b.fs.Remove(w.tmp)
	return nil
}

// Abort implements [objstore.ObjectWriter].
func (w *writer) Abort() error {
	if w.f == nil {
		return nil
	}
	err := errors.Join(w.f.Close(), w.b.fs.Remove(w.tmp))
	w.f = nil
	return err
}

func (b *Bucket) hide(file string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hidden[file]++
}

func (b *Bucket) unhide(file string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hidden[file]--; b.hidden[file] == 0 {
		delete(b.hidden, file)
	}
}

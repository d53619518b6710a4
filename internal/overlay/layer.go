package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync/atomic"

	"origami/internal/durable"
)

const (
	dataSuffix = ".data"
	mapSuffix  = ".map"
)

func mapName(id LayerID) string { return fmt.Sprintf("%016x%s", uint64(id), mapSuffix) }

// layer is one layer of a volume with its files open.
type layer struct {
	id      LayerID
	size    int64 // guarded by Device.mu
	refs    int   // views that hold it; guarded by Device.mu
	units   unitMap
	data    dataFiles
	journal journal       // used by commit only
	seq     atomic.Uint64 // last durable record of the journal
	epoch   uint64        // number of live records, seq + 1 or + 2; guarded by liveLog.mu

	// unlogged counts the changes of lines that the live log does not have. It
	// is raised before units changes, so whoever finds in units what it wants
	// to have there, and then none here, finds it after the death of the
	// process.
	unlogged lineCounts
	missed   missed // guarded by liveLog.mu

	// changed is set after the change, and before it is answered: lines of
	// units are dirty.
	changed atomic.Bool
}

// state is called with Device.mu held, or before the layer is shared.
func (l *layer) state() layerState {
	return layerState{id: l.id, size: l.size, seq: l.seq.Load()}
}

// newLayer returns a layer without its files.
func newLayer(fsys durable.FS, dir string, key *volumeKey, id LayerID, size int64) (*layer, error) {
	l := &layer{id: id, size: size, epoch: 1, data: dataFiles{fsys: fsys, dir: dir, id: id}}
	l.units.resize(size / UnitSize)
	var err error
	l.data.cipher, err = key.layer(id)
	return l, err
}

// createLayer makes an empty layer, durably. A file of its name is garbage and
// replaced.
func createLayer(fsys durable.FS, dir string, v identity, key *volumeKey, id LayerID, size int64) (*layer, error) {
	l, err := newLayer(fsys, dir, key, id, size)
	if err != nil {
		return nil, fmt.Errorf("create layer %d: %w", id, err)
	}
	if l.journal.file, err = replace(fsys, path.Join(dir, mapName(id))); err != nil {
		return nil, errors.Join(fmt.Errorf("create layer %d: %w", id, err), l.close())
	}
	l.journal.end = mapHeader
	if err := l.initialize(fsys, dir, v); err != nil {
		return nil, errors.Join(fmt.Errorf("create layer %d: %w", id, err), l.close())
	}
	return l, nil
}

func (l *layer) initialize(fsys durable.FS, dir string, v identity) error {
	if _, err := l.journal.file.WriteAt(encodeMapHeader(v, l.id, 1), 0); err != nil {
		return err
	}
	if err := l.journal.file.Sync(); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// openLayer opens the layer that the state describes.
func openLayer(fsys durable.FS, dir string, v identity, key *volumeKey, st layerState) (*layer, error) {
	l, err := newLayer(fsys, dir, key, st.id, st.size)
	if err != nil {
		return nil, fmt.Errorf("layer %d: %w", st.id, err)
	}
	if l.journal.file, err = fsys.Open(path.Join(dir, mapName(st.id))); err != nil {
		return nil, errors.Join(missing(err), l.close())
	}
	if err := l.data.open(st.size); err != nil {
		return nil, errors.Join(fmt.Errorf("layer %d: %w", st.id, err), l.close())
	}
	if err := l.load(v, st.seq); err != nil {
		return nil, errors.Join(fmt.Errorf("layer %d: %w", st.id, err), l.close())
	}
	return l, nil
}

// missing makes it clear that a volume whose layer is missing exists.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return corrupt("%v", err)
	}
	return err
}

// load reads the map and cuts off what a crash left behind it.
func (l *layer) load(v identity, atLeast uint64) error {
	size, err := l.journal.file.Size()
	if err != nil {
		return err
	}
	seq, end, err := replay(l.journal.file, size, v, l.id, atLeast, &l.units)
	if err != nil {
		return err
	}
	if end < size {
		if err := l.journal.file.Truncate(end); err != nil {
			return err
		}
	}
	// If only the process died, what was read need not be durable yet.
	if err := l.journal.file.Sync(); err != nil {
		return err
	}
	l.journal.end = end
	l.seq.Store(seq)
	l.epoch = seq + 1
	return nil
}

func (l *layer) close() error {
	err := l.data.close()
	if l.journal.file != nil {
		err = errors.Join(err, l.journal.file.Close())
	}
	return err
}

// commit makes what was written to the layer before durable. It is not called
// concurrently with itself. A FailedError is final; after another error the
// same changes are tried again.
func (l *layer) commit(fsys durable.FS, dir string, lg *liveLog) error {
	var payload []byte
	rewrite := false
	if l.changed.Swap(false) {
		rewrite = l.journal.long(l.units.lines())
		lg.beginCommit(l)
		payload = l.units.take(rewrite)
	}
	// The map is taken before it is asked whether there is data to sync: it
	// tells of data that is written, and whose write has said so.
	if err := l.data.sync(); err != nil {
		return &FailedError{fmt.Errorf("sync layer %d: %w", l.id, err)}
	}
	if len(payload) == 0 {
		return nil
	}
	record := encodeRecord(l.seq.Load()+1, payload)
	if rewrite {
		if done, err := l.rewrite(fsys, dir, lg.volume, record); done || err != nil {
			return err
		}
	}
	return l.append(record, payload)
}

// append appends a record, which holds payload, to the journal.
func (l *layer) append(record, payload []byte) error {
	if _, err := l.journal.file.WriteAt(record, l.journal.end); err != nil {
		l.changed.Store(true)
		return errors.Join(fmt.Errorf("write map of layer %d: %w", l.id, err), l.units.retake(payload))
	}
	if err := l.journal.file.Sync(); err != nil {
		return &FailedError{fmt.Errorf("sync map of layer %d: %w", l.id, err)}
	}
	l.journal.end += int64(len(record))
	l.seq.Add(1)
	return nil
}

// rewrite replaces the journal by one with the single record, which holds the
// whole map. It reports false if that was not possible and the journal is as
// before, so that the record can be appended instead.
func (l *layer) rewrite(fsys durable.FS, dir string, v identity, record []byte) (done bool, err error) {
	name := path.Join(dir, mapName(l.id))
	tmp := name + durable.TempSuffix
	f, err := replace(fsys, tmp)
	if err != nil {
		l.journal.rewritten = l.journal.end // not again soon
		return false, nil
	}
	content := append(encodeMapHeader(v, l.id, l.seq.Load()+1), record...)
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fsys.Rename(tmp, name)
	}
	if err != nil {
		l.journal.rewritten = l.journal.end
		// What remains is removed by the next rewrite, or when the volume is
		// opened; the append tells whether the disk still works.
		_ = f.Close()
		_ = fsys.Remove(tmp)
		return false, nil
	}
	if err := fsys.SyncDir(dir); err != nil {
		// Either journal may be there after a crash: neither can be used.
		_ = f.Close()
		return false, &FailedError{fmt.Errorf("rewrite map of layer %d: %w", l.id, err)}
	}
	_ = l.journal.file.Close() // it has no name any more
	l.journal = journal{file: f, end: int64(len(content)), rewritten: int64(len(content))}
	l.seq.Add(1)
	return true, nil
}

// replace makes a new file, in place of one of that name.
func replace(fsys durable.FS, name string) (durable.File, error) {
	f, err := fsys.Create(name)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	if err := fsys.Remove(name); err != nil {
		return nil, err
	}
	return fsys.Create(name)
}

package blockstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"origami/internal/objstore"
)

// fetch reads the block or node id from the bucket into dst and checks its
// identity.
func (s realm) fetch(k kind, id ID, loc Location, dst []byte) error {
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	_, err := s.load(k, id, loc, buf, dst)
	return err
}

// load is fetch into buffers of the caller's, of which buf has room for a
// record and keeps it.
func (s realm) load(k kind, id ID, loc Location, buf, dst []byte) (decoded, error) {
	if loc.Length < minHead || loc.Length > maxRecord || loc.Offset < 0 {
		return decoded{}, corrupt(id, loc, malformed("index row of %d bytes at %d", loc.Length, loc.Offset))
	}
	record := buf[:loc.Length]
	if err := s.read(id, loc, record, 0); err != nil {
		return decoded{}, err
	}
	s.stats.blockReads.Add(1)
	d, err := s.decode(k, id, loc.Pack, record, dst)
	if err != nil {
		clear(dst) // nobody shall find bad bytes there
		return decoded{}, s.closedErr(corrupt(id, loc, err))
	}
	return d, nil
}

// decoded is a block or node that was decoded.
type decoded struct {
	sum    [sha256.Size]byte // of its bytes
	record []byte            // it was decoded from, not encrypted; see sumFrames
}

// decode fills dst from a whole record, and checks everything. It decrypts the
// record in place.
func (s realm) decode(k kind, id ID, pack PackID, record, dst []byte) (decoded, error) {
	h, err := s.parseHead(k, id, record)
	if err != nil {
		return decoded{}, err
	}
	if !h.encrypted {
		err = h.checkFrames(record)
	} else {
		err = h.checkLength(record) // the cipher sees every changed bit
	}
	if err != nil {
		return decoded{}, err
	}
	if h.encrypted {
		c, err := s.cipher(pack)
		if err != nil {
			return decoded{}, err
		}
		if h, record, err = c.open(&h, record); err != nil {
			return decoded{}, err
		}
	}
	if err := s.comp.decodeRecord(dst, &h, record); err != nil {
		return decoded{}, err
	}
	sum := sha256.Sum256(dst)
	if s.identity(sum) != id {
		return decoded{}, malformed("contents do not match their identity")
	}
	return decoded{sum, record}, nil
}

// parseHead decodes the head of the record of a block or node of this realm.
func (s realm) parseHead(k kind, id ID, b []byte) (head, error) {
	h, err := parseHead(b)
	switch {
	case err != nil:
		return h, err
	case h.id != id || h.kind != k:
		return h, malformed("record holds another block")
	case h.encrypted != s.encrypted():
		return h, malformed("record belongs to another domain")
	}
	return h, nil
}

// fetchFrame reads one of maxFrames equal parts of a block. A record of one
// frame is read whole and checked against the identity.
func (s realm) fetchFrame(id ID, loc Location, i int) ([]byte, error) {
	if loc.Length < maxHead || loc.Length > maxRecord || loc.Offset < 0 {
		return s.cutFrame(id, loc, i)
	}
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	if err := s.read(id, loc, buf[:maxHead], 0); err != nil {
		return nil, err
	}
	h, err := s.parseHead(kindBlock, id, buf[:maxHead])
	if err != nil {
		return nil, corrupt(id, loc, err)
	}
	if h.frames == 1 {
		return s.cutFrame(id, loc, i)
	}
	at, n := h.offset(i), h.frame[i].length
	if h.size()+h.stored != int(loc.Length) {
		return nil, corrupt(id, loc, malformed("record holds another block"))
	}
	if err := s.read(id, loc, buf[:n], at); err != nil {
		return nil, err
	}
	s.stats.blockReads.Add(1)
	dst := make([]byte, BlockSize/maxFrames)
	if err := s.decodeFrame(dst, &h, i, loc.Pack, buf[:n]); err != nil {
		return nil, s.closedErr(corrupt(id, loc, err))
	}
	return dst, nil
}

// decodeFrame fills dst with frame i, of which b holds the stored bytes.
func (s realm) decodeFrame(dst []byte, h *head, i int, pack PackID, b []byte) error {
	if err := h.checkFrame(i, b); err != nil {
		return err
	}
	if h.encrypted {
		c, err := s.cipher(pack)
		if err != nil {
			return err
		}
		if b, err = c.openFrame(h, i, b); err != nil {
			return err
		}
	}
	return s.comp.decompress(h.codec, dst, b)
}

// cutFrame takes a frame out of the whole block.
func (s realm) cutFrame(id ID, loc Location, i int) ([]byte, error) {
	whole := s.buffers.get()
	defer s.buffers.put(whole)
	if err := s.fetch(kindBlock, id, loc, whole[:BlockSize]); err != nil {
		return nil, err
	}
	const size = BlockSize / maxFrames
	return append(make([]byte, 0, size), whole[i*size:(i+1)*size]...), nil
}

// read fills p from the record at loc, beginning at off in it.
func (s *Store) read(id ID, loc Location, p []byte, off int) error {
	s.stats.bytesRead.Add(int64(len(p)))
	err := s.bucket.ReadAt(s.ctx, loc.Pack.object(), p, loc.Offset+int64(off))
	switch {
	case errors.Is(err, objstore.ErrNotExist):
		return corrupt(id, loc, malformed("the pack is missing"))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return corrupt(id, loc, malformed("the pack is too short"))
	}
	return s.closedErr(err)
}

// corrupt says where a malformed record is. Other errors pass.
func corrupt(id ID, loc Location, err error) error {
	if err == nil || !errors.Is(err, ErrCorrupt) {
		return err
	}
	return &CorruptError{ID: id, Pack: loc.Pack, Offset: loc.Offset, Reason: err.Error()}
}

// node returns a manifest node, from the cache if it is there.
func (s realm) node(ctx context.Context, id ID, level int) (node, error) {
	s.stats.nodeReads.Add(1)
	data, err := s.cache.get(ctx, cacheKey{s.ref(id), -1}, func() ([]byte, error) {
		locs, err := s.resolve(s.ctx, []ID{id})
		if err != nil {
			return nil, s.closedErr(err)
		}
		data := make([]byte, nodeSize)
		return data, s.fetch(kindNode, id, locs[0], data)
	})
	if err != nil {
		return nil, err
	}
	n, err := parseNode(data, level)
	if err != nil {
		return nil, &CorruptError{ID: id, Reason: err.Error()}
	}
	return n, nil
}

// descend returns the identity of node number n at the given level of a tree,
// zero if there is nothing. Level -1 are the blocks. Nodes above the top of
// the tree hold it as their first child.
func (s realm) descend(ctx context.Context, root Root, level int, n int64) (ID, error) {
	top := topLevel(blocks(root.Size))
	if root.ID.IsZero() {
		return ID{}, nil
	}
	if level >= top {
		if n == 0 && level == top {
			return root.ID, nil
		}
		return ID{}, nil
	}
	if n>>(8*(top-level)) != 0 {
		return ID{}, nil
	}
	id := root.ID
	for l := top; l > level && !id.IsZero(); l-- {
		nd, err := s.node(ctx, id, l)
		if err != nil {
			return ID{}, err
		}
		id = nd.child(int(n >> (8 * (l - 1 - level)) & (fanOut - 1)))
	}
	return id, nil
}

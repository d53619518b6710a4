package blockstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// RebuildIndex makes the index anew from the packs in the bucket, older packs
// first, so that of two copies of a block the first one written is kept. No
// writer may be at work. It salvages what it can: the error, which satisfies
// errors.Is with ErrCorrupt, names packs that were left out or are not whole,
// after all others have been added. If it is interrupted, run it again.
func (s *Store) RebuildIndex(ctx context.Context) error {
	var all []Pack
	var damage []error
	for id, err := range s.listPacks(ctx) {
		if err != nil {
			return fmt.Errorf("rebuild index: %w", err)
		}
		p, _, err := s.readHeader(ctx, id)
		if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnsupported) {
			damage = append(damage, fmt.Errorf("pack %v: %w", id, err))
			continue
		}
		if err != nil {
			return fmt.Errorf("rebuild index: pack %v: %w", id, err)
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Pack) int {
		return cmp.Or(a.Created.Compare(b.Created), slices.Compare(a.ID[:], b.ID[:]))
	})
	if err := s.index.Reset(ctx); err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	for _, p := range all {
		entries, err := s.readEntries(ctx, &p)
		if errors.Is(err, ErrCorrupt) {
			damage = append(damage, fmt.Errorf("pack %v: %w", p.ID, err))
		} else if err != nil {
			return fmt.Errorf("rebuild index: pack %v: %w", p.ID, err)
		}
		if err := s.index.Add(ctx, p, entries); err != nil {
			return fmt.Errorf("rebuild index: pack %v: %w", p.ID, err)
		}
	}
	s.leaves.clear()
	if err := s.census(ctx); err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	if len(damage) > 0 {
		return fmt.Errorf("rebuild index: %w", errors.Join(damage...))
	}
	return nil
}

// readHeader returns what the header of a pack says, its size, and the bytes
// of the header.
func (s *Store) readHeader(ctx context.Context, id PackID) (Pack, []byte, error) {
	size, err := s.bucket.Size(ctx, id.object())
	if err != nil {
		return Pack{}, nil, err
	}
	b := make([]byte, min(size, maxHeader))
	if err := s.bucket.ReadAt(ctx, id.object(), b, 0); err != nil {
		return Pack{}, nil, err
	}
	p, n, err := parseHeader(b)
	if err != nil {
		return Pack{}, nil, err
	}
	if p.ID != id {
		return Pack{}, nil, malformed("its header names pack %v", p.ID)
	}
	p.Size = size
	return p, b[:n], nil
}

// readEntries returns the entries of a pack and sets its Records. If the footer
// is damaged, it returns those of the records that can be found by walking, and
// an error.
func (s *Store) readEntries(ctx context.Context, p *Pack) ([]Entry, error) {
	_, header, err := s.readHeader(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	entries, err := s.readFooter(ctx, p, header)
	if errors.Is(err, ErrCorrupt) {
		found, scanErr := s.scan(ctx, p, int64(len(header)))
		if scanErr != nil {
			return nil, scanErr
		}
		entries = found
	} else if err != nil {
		return nil, err
	}
	p.Records = len(entries)
	return entries, err
}

func (s *Store) readFooter(ctx context.Context, p *Pack, header []byte) ([]Entry, error) {
	if p.Size < int64(len(header))+trailerSize {
		return nil, malformed("pack of %d bytes", p.Size)
	}
	trailer := make([]byte, trailerSize)
	if err := s.bucket.ReadAt(ctx, p.ID.object(), trailer, p.Size-trailerSize); err != nil {
		return nil, err
	}
	start, err := parseTrailer(trailer, p.Size)
	if err != nil {
		return nil, err
	}
	if start < int64(len(header)) {
		return nil, malformed("pack entries at %d", start)
	}
	b := make([]byte, p.Size-start)
	if err := s.bucket.ReadAt(ctx, p.ID.object(), b, start); err != nil {
		return nil, err
	}
	return parseFooter(header, b, start)
}

// scan walks the records of a pack from off to the first that is damaged.
func (s *Store) scan(ctx context.Context, p *Pack, off int64) ([]Entry, error) {
	var entries []Entry
	seen := make(map[ID]bool)
	for {
		b := make([]byte, min(maxHead, p.Size-off))
		if err := s.bucket.ReadAt(ctx, p.ID.object(), b, off); err != nil {
			return nil, err
		}
		h, err := parseHead(b)
		length := int64(h.size() + h.stored)
		if err != nil || h.kind.class() != p.Class || h.encrypted != (p.Domain != "") || length > p.Size-off {
			break
		}
		if !seen[h.id] {
			seen[h.id] = true
			entries = append(entries, Entry{ID: h.id, Offset: off, Length: int32(length)})
		}
		off += length
	}
	slices.SortFunc(entries, func(a, b Entry) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return entries, nil
}

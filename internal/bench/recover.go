package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"origami/internal/metadb"
)

// recoveredBlocks is how many blocks are in the store of the service that is
// killed.
const recoveredBlocks = 1_000_000

// benchRecover measures how long a killed service takes to answer again, and
// what an idle one takes in memory.
func benchRecover(ctx context.Context, c *config, r *report) error {
	dir := filepath.Join(c.work, "recover")
	s, err := c.start(ctx, dir, noMachine...)
	if err != nil {
		return err
	}
	empty, err := s.idle(ctx)
	if err != nil {
		return err
	}
	if _, err := s.stop(); err != nil {
		return err
	}
	if err := fillBlocks(ctx, dir); err != nil {
		return err
	}
	if s, err = c.start(ctx, dir, noMachine...); err != nil {
		return err
	}
	full, err := s.idle(ctx)
	if err != nil {
		return err
	}
	var all []cost
	for range c.pairs {
		if err := s.kill(); err != nil {
			return err
		}
		began := time.Now()
		// Ready is when it has bound its address and said so.
		if s, err = c.start(ctx, dir, noMachine...); err != nil {
			return err
		}
		all = append(all, cost{wall: s.ready.Sub(began).Seconds()})
	}
	_, err = s.stop()
	r.printf("## Start after kill -9, and memory\n\nA store of %d blocks.\n\n", recoveredBlocks)
	r.printf("| | measured | goal |\n|---|---|---|\n")
	r.printf("| from the start of the process to the first answer, s | %v | ≤ 0.200 |\n", of(all, wall))
	r.printf("| memory of the idle service, empty | %d MiB | ≤ 64 MiB |\n", empty>>20)
	r.printf("| memory of the idle service, %d blocks | %d MiB | ≤ 64 MiB |\n\n", recoveredBlocks, full>>20)
	return err
}

// idle leaves the service alone for a while and returns its memory in bytes.
func (s *service) idle(ctx context.Context) (int64, error) {
	select {
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("no VmRSS in %q", status)
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib << 10, err
}

// kill ends the service at once.
func (s *service) kill() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	<-s.wait // which says that it was killed
	return nil
}

// fillBlocks makes packs that the index knows and that are there, without
// content: a start reads the index and the names.
func fillBlocks(ctx context.Context, dir string) error {
	db, err := metadb.Open(ctx, "sqlite:"+filepath.Join(dir, "origami.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	const perPack = 400 // about 64 MiB of compressed blocks
	for n := 0; n < recoveredBlocks; n += perPack {
		pack := metadb.PackRow{Class: 1, Size: 64 << 20, Records: perPack, Created: time.Now()}
		binary.BigEndian.PutUint64(pack.ID[:], uint64(n)+1)
		rows := make([]metadb.BlockRow, perPack)
		for i := range rows {
			rows[i] = metadb.BlockRow{ID: sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n+i))), Offset: int64(i) << 17, Length: 1 << 17}
		}
		if err := db.AddBlocks(ctx, pack, rows); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "store", fmt.Sprintf("pack+%x", pack.ID)), nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// noMachine are the flags of a service whose machines execute nothing: their
// disks are served as always, and nobody but the benchmark uses them.
var noMachine = []string{"--vmm", "none"}

// silent is a service with one instance that executes nothing.
type silent struct {
	*service
	api      *client
	instance string
	volumes  []string // root first
}

// startSilent imports a disk into a new installation and launches it.
// The parameters are added to those of RunInstances.
func (c *config) startSilent(ctx context.Context, dir, file string, flags []string, params ...string) (_ *silent, err error) {
	s := &silent{}
	if s.service, err = c.start(ctx, dir, append(flags, noMachine...)...); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_, stopErr := s.stop()
			err = errors.Join(err, stopErr)
		}
	}()
	if _, err := s.importDisk(ctx, file, "disk"); err != nil {
		return nil, err
	}
	if s.api, err = newClient(ctx, s.service); err != nil {
		return nil, err
	}
	return s, s.runSilent(ctx, params...)
}

// runSilent launches an instance of the imported disk.
func (s *silent) runSilent(ctx context.Context, params ...string) error {
	image, err := s.api.imageID(ctx, "disk")
	if err != nil {
		return err
	}
	var out struct {
		ID string `xml:"instancesSet>item>instanceId"`
	}
	params = append([]string{"ImageId", image, "InstanceType", "t3.nano", "MinCount", "1", "MaxCount", "1"}, params...)
	if err := s.api.call(ctx, &out, "RunInstances", params...); err != nil {
		return err
	}
	s.instance = out.ID
	if err := s.api.await(ctx, out.ID, "running"); err != nil {
		return err
	}
	var vols struct {
		Items []struct {
			ID     string `xml:"volumeId"`
			Device string `xml:"attachmentSet>item>device"`
		} `xml:"volumeSet>item"`
	}
	if err := s.api.call(ctx, &vols, "DescribeVolumes", "Filter.1.Name", "attachment.instance-id", "Filter.1.Value.1", out.ID); err != nil {
		return err
	}
	s.volumes = nil
	var rest []string
	for _, v := range vols.Items {
		if v.Device == "/dev/sdf" {
			rest = append(rest, v.ID)
		} else {
			s.volumes = append(s.volumes, v.ID)
		}
	}
	s.volumes = append(s.volumes, rest...)
	if len(s.volumes) == 0 {
		return fmt.Errorf("instance %s has no volume", out.ID)
	}
	return nil
}

// snapshot takes a snapshot of a volume and waits until it is complete.
func (s *silent) snapshot(ctx context.Context, volume string) (cost, error) {
	began := time.Now()
	var made struct {
		ID string `xml:"snapshotId"`
	}
	if err := s.api.call(ctx, &made, "CreateSnapshot", "VolumeId", volume); err != nil {
		return cost{}, err
	}
	err := s.until(ctx, "<status>completed<", "DescribeSnapshots", "SnapshotId.1", made.ID)
	return cost{wall: time.Since(began).Seconds()}, err
}

// until asks every half millisecond until the answer contains a word.
func (s *silent) until(ctx context.Context, word, action string, params ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond / 2)
	defer tick.Stop()
	for {
		body, err := s.api.raw(ctx, action, params...)
		if err != nil {
			return err
		}
		if bytes.Contains(body, []byte(word)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s %v: no %s: %w\n%s", action, params, word, ctx.Err(), body)
		}
	}
}

// slice copies the first n bytes of a disk to a file of their own.
func slice(from, to string, n int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < n; off += int64(len(buf)) {
		if _, err := in.ReadAt(buf, off); err != nil {
			return err
		}
		if _, err := out.WriteAt(buf, off); err != nil {
			return err
		}
	}
	return out.Sync()
}

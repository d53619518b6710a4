package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"time"

	"origami"
	"origami/internal/metadb"
)

// describedImages is how many images DescribeImages finds its own among.
const describedImages = 100_000

// benchDescribe measures DescribeImages over signed HTTP among 100,000 images.
func benchDescribe(ctx context.Context, c *config, r *report) error {
	dir := filepath.Join(c.work, "describe")
	s, err := c.start(ctx, dir, noMachine...)
	if err != nil {
		return err
	}
	account, region := s.env["accountId"], s.env["region"]
	if _, err := s.stop(); err != nil {
		return err
	}
	ids, err := fillImages(ctx, dir, origami.AccountID(account), origami.Region(region))
	if err != nil {
		return err
	}
	if s, err = c.start(ctx, dir, noMachine...); err != nil {
		return err
	}
	api, err := newClient(ctx, s)
	if err != nil {
		return err
	}
	r.printf("## DescribeImages\n\nAmong %d images with tags, one request after the other, over HTTP with signatures on both ends.\n\n", describedImages)
	r.printf("| | requests | p50 ms | p99 ms | longest ms | goal |\n|---|---|---|---|---|---|\n")
	token := ""
	next := regexp.MustCompile(`<nextToken>([^<]+)<`)
	for _, m := range []struct {
		name, goal string
		requests   int
		params     func() []string
	}{
		{"by ID", "p99 ≤ 5 ms", 1000, func() []string { return []string{"ImageId.1", ids[rand.N(len(ids))]} }},
		{"by name", "p99 ≤ 5 ms", 1000, func() []string {
			return []string{"Filter.1.Name", "name", "Filter.1.Value.1", imageName(rand.N(len(ids)))}
		}},
		{"by tag (10 images)", "p99 ≤ 5 ms", 1000, func() []string {
			return []string{"Filter.1.Name", "tag:group", "Filter.1.Value.1", fmt.Sprint(rand.N(len(ids) / 10))}
		}},
		{"page of 1,000", "p99 ≤ 25 ms", 200, func() []string {
			p := []string{"MaxResults", "1000", "Owner.1", "self"}
			if token != "" {
				p = append(p, "NextToken", token)
			}
			return p
		}},
	} {
		var took []time.Duration
		for n := range m.requests + m.requests/10 {
			params := m.params()
			began := time.Now()
			body, err := api.raw(ctx, "DescribeImages", params...)
			if err != nil {
				return err
			}
			if n >= m.requests/10 { // the first ones warm
				took = append(took, time.Since(began))
			}
			if token = ""; next.Match(body) {
				token = string(next.FindSubmatch(body)[1])
			}
		}
		r.printf("| %s | %s | %s |\n", m.name, percentiles(took), m.goal)
	}
	peak, err := s.stop()
	r.printf("\nPeak memory of the service: %d MiB.\n\n", peak>>20)
	return err
}

func imageName(n int) string { return fmt.Sprintf("golden-image-%06d", n) }

// fillImages puts images into the database of a service that does not run.
func fillImages(ctx context.Context, dir string, owner origami.AccountID, region origami.Region) (ids []string, err error) {
	db, err := metadb.Open(ctx, "sqlite:"+filepath.Join(dir, "origami.db"))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	for len(ids) < describedImages {
		err := db.Update(ctx, func(tx *metadb.Tx) error {
			for range 2000 {
				img, snap := describedImage(len(ids), owner, region)
				if err := tx.PutSnapshot(snap); err != nil {
					return err
				}
				if err := tx.PutImage(img); err != nil {
					return err
				}
				tags := origami.Tags{"Name": img.Name, "group": fmt.Sprint(len(ids) / 10), "env": "prod"}
				if err := tx.PutTags(region, owner, []string{string(img.ID)}, tags); err != nil {
					return err
				}
				ids = append(ids, string(img.ID))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func describedImage(n int, owner origami.AccountID, region origami.Region) (*origami.Image, *origami.Snapshot) {
	yes, no := true, false
	now := time.Now().UTC()
	snap := &origami.Snapshot{
		ID: origami.NewSnapshotID(), Region: region, Owner: owner, State: origami.SnapshotCompleted, Progress: 100,
		Started: now, Completed: now, VolumeSize: 8, Volume: origami.NoVolume,
	}
	return &origami.Image{
		ID: origami.NewImageID(), Region: region, Owner: owner, Name: imageName(n), State: origami.ImageAvailable,
		Description: "An image that was made for a benchmark, with a description", Location: string(owner) + "/" + imageName(n),
		Created: now, Public: n%10 == 0, ImageType: "machine", Architecture: origami.X8664, VirtualizationType: origami.HVM,
		Hypervisor: "xen", RootDeviceType: "ebs", RootDeviceName: "/dev/xvda", ENASupport: true, SriovNetSupport: "simple",
		PlatformDetails: "Linux/UNIX", UsageOperation: "RunInstances",
		BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/xvda", EBS: &origami.EBSBlockDevice{
			Snapshot: snap.ID, VolumeSize: 8, VolumeType: origami.GP3, IOPS: 3000, Throughput: 125,
			DeleteOnTermination: &yes, Encrypted: &no,
		}}},
	}, snap
}

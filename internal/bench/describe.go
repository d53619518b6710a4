package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"origami"
	"origami/internal/metadb"
)

// benchDescribe measures DescribeImages among 100,000 images.
func benchDescribe(ctx context.Context, c *config, r *report) error {
	return describe(ctx, c, r, 10_000, 100_000)
}

// benchDescribeMillion measures DescribeImages among a million images. To put
// them there takes some minutes.
func benchDescribeMillion(ctx context.Context, c *config, r *report) error {
	return describe(ctx, c, r, 10_000, 1_000_000)
}

// describe measures DescribeImages over signed HTTP among growing numbers of
// images.
func describe(ctx context.Context, c *config, r *report, numbers ...int) error {
	dir := filepath.Join(c.work, "describe")
	s, err := c.start(ctx, dir, noMachine...)
	if err != nil {
		return err
	}
	account, region := s.env["accountId"], s.env["region"]
	if _, err := s.stop(); err != nil {
		return err
	}
	r.printf("## DescribeImages\n\nAmong the images of the caller's account, each with three tags, one request after the other, over HTTP with signatures on both ends. CPU is that of the service for one request. In the last column p50 against that among %d images.\n\n", numbers[0])
	r.printf("| images | | requests | p50 ms | p99 ms | longest ms | CPU ms | goal, p99 | p50, ratio |\n|---|---|---|---|---|---|---|---|---|\n")
	var ids []string
	base := map[string]time.Duration{}
	var peaks []string
	for _, n := range numbers {
		if ids, err = fillImages(ctx, dir, ids, n, origami.AccountID(account), origami.Region(region)); err != nil {
			return err
		}
		if s, err = c.start(ctx, dir, noMachine...); err != nil {
			return err
		}
		api, err := newClient(ctx, s)
		if err != nil {
			return err
		}
		for _, q := range describeQueries(ids) {
			before, err := s.onCPU()
			if err != nil {
				return err
			}
			took, err := q.measure(ctx, api)
			if err != nil {
				return err
			}
			after, err := s.onCPU()
			if err != nil {
				return err
			}
			used := 1000 * (after - before) / float64(q.made())
			line, p50 := percentiles(took), took[len(took)/2]
			if base[q.name] == 0 {
				base[q.name] = p50
			}
			r.printf("| %d | %s | %s | %.2f | ≤ %v ms | %.2f |\n", n, q.name, line, used, q.goal[n], float64(p50)/float64(base[q.name]))
		}
		peak, err := s.stop()
		if err != nil {
			return err
		}
		peaks = append(peaks, fmt.Sprintf("%d MiB among %d", peak>>20, n))
	}
	r.printf("\nThe goal for the ratio is ≤ 1.50. Peak memory of the service: %s.\n\n", strings.Join(peaks, ", "))
	return nil
}

// describeQuery is a request that is measured.
type describeQuery struct {
	name     string
	requests int
	params   func(last []byte) []string // given the answer before
	goal     map[int]int                // ms by the number of images
}

func describeQueries(ids []string) []describeQuery {
	next := regexp.MustCompile(`<nextToken>([^<]+)<`)
	one := map[int]int{10_000: 5, 100_000: 5, 1_000_000: 10}
	return []describeQuery{
		{"by ID", 2000, func([]byte) []string { return []string{"ImageId.1", ids[rand.N(len(ids))]} }, one},
		{"by name", 2000, func([]byte) []string {
			return []string{"Filter.1.Name", "name", "Filter.1.Value.1", imageName(rand.N(len(ids)))}
		}, one},
		{"by tag (10 images)", 2000, func([]byte) []string {
			return []string{"Filter.1.Name", "tag:group", "Filter.1.Value.1", fmt.Sprint(rand.N(len(ids) / 10))}
		}, one},
		{"page of 1,000", 200, func(last []byte) []string {
			p := []string{"MaxResults", "1000", "Owner.1", "self"}
			if m := next.FindSubmatch(last); m != nil {
				p = append(p, "NextToken", string(m[1]))
			}
			return p
		}, map[int]int{10_000: 25, 100_000: 25, 1_000_000: 40}},
	}
}

// made is how many requests measure makes.
func (q describeQuery) made() int { return q.requests + q.requests/10 }

// measure makes the requests, one after the other, after a tenth as many that
// warm.
func (q describeQuery) measure(ctx context.Context, api *client) ([]time.Duration, error) {
	var took []time.Duration
	var body []byte
	for n := range q.made() {
		params := q.params(body)
		began := time.Now()
		var err error
		if body, err = api.raw(ctx, "DescribeImages", params...); err != nil {
			return nil, err
		}
		if n >= q.requests/10 {
			took = append(took, time.Since(began))
		}
	}
	return took, nil
}

func imageName(n int) string { return fmt.Sprintf("golden-image-%07d", n) }

// fillImages puts images into the database of a service that does not run,
// behind those that are there, until there are n.
func fillImages(ctx context.Context, dir string, ids []string, n int, owner origami.AccountID, region origami.Region) ([]string, error) {
	db, err := metadb.Open(ctx, "sqlite:"+filepath.Join(dir, "origami.db"))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	for len(ids) < n {
		var more []string
		err := db.Update(ctx, func(tx *metadb.Tx) error {
			more = more[:0]
			var snap *origami.Snapshot
			for k := len(ids); k < min(n, len(ids)+10_000); k++ {
				if k%10 == 0 {
					snap = describedSnapshot(owner, region)
					if err := tx.PutSnapshot(snap); err != nil {
						return err
					}
				}
				img := describedImage(k, snap)
				if err := tx.PutImage(img); err != nil {
					return err
				}
				tags := origami.Tags{"Name": img.Name, "group": fmt.Sprint(k / 10), "env": "prod"}
				if err := tx.PutTags(region, owner, []string{string(img.ID)}, tags); err != nil {
					return err
				}
				more = append(more, string(img.ID))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	return ids, nil
}

func describedSnapshot(owner origami.AccountID, region origami.Region) *origami.Snapshot {
	now := time.Now().UTC()
	return &origami.Snapshot{
		ID: origami.NewSnapshotID(), Region: region, Owner: owner, State: origami.SnapshotCompleted, Progress: 100,
		Started: now, Completed: now, VolumeSize: 8, Volume: origami.NoVolume,
	}
}

func describedImage(n int, snap *origami.Snapshot) *origami.Image {
	yes, no := true, false
	owner, region := snap.Owner, snap.Region
	return &origami.Image{
		ID: origami.NewImageID(), Region: region, Owner: owner, Name: imageName(n), State: origami.ImageAvailable,
		Description: "An image that was made for a benchmark, with a description", Location: string(owner) + "/" + imageName(n),
		Created: snap.Completed, Public: n%10 == 0, ImageType: "machine", Architecture: origami.X8664, VirtualizationType: origami.HVM,
		Hypervisor: "xen", RootDeviceType: "ebs", RootDeviceName: "/dev/xvda", ENASupport: true, SriovNetSupport: "simple",
		PlatformDetails: "Linux/UNIX", UsageOperation: "RunInstances",
		BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/xvda", EBS: &origami.EBSBlockDevice{
			Snapshot: snap.ID, VolumeSize: 8, VolumeType: origami.GP3, IOPS: 3000, Throughput: 125,
			DeleteOnTermination: &yes, Encrypted: &no,
		}}},
	}
}

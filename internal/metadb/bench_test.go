//go:build unix

package metadb_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"origami"
	"origami/internal/metadb"
)

// manyImages is how many images the benchmarks find theirs among.
const manyImages = 100_000

// fillImages puts images of 20 accounts, every tenth public, each with tags
// and a snapshot as registered ones have.
func fillImages(b *testing.B, db *metadb.DB) []origami.ImageID {
	b.Helper()
	var all []origami.ImageID
	for len(all) < manyImages {
		update(b, db, func(tx *metadb.Tx) error {
			for range 1000 {
				n := len(all)
				i := benchImage(n)
				all = append(all, i.ID)
				s := snapshot(i.Owner)
				s.ID = i.BlockDevices[0].EBS.Snapshot
				if err := tx.PutSnapshot(s); err != nil {
					return err
				}
				if err := tx.PutImage(i); err != nil {
					return err
				}
				err := tx.PutTags(region, i.Owner, []string{string(i.ID)},
					origami.Tags{"Name": fmt.Sprint("name ", n), "group": fmt.Sprint(n / 200), "env": "prod"})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all
}

func benchImage(n int) *origami.Image {
	yes, no := true, false
	i := image(origami.AccountID(fmt.Sprintf("%012d", n%20)), fmt.Sprintf("image-%06d", n))
	i.Description = "An image that was made for a benchmark, with a description"
	i.Location = string(i.Owner) + "/" + i.Name
	i.Public = n%10 == 0
	i.ImageType, i.Architecture, i.VirtualizationType, i.Hypervisor = "machine", origami.X8664, origami.HVM, "xen"
	i.RootDeviceType, i.RootDeviceName, i.ENASupport, i.SriovNetSupport = "ebs", "/dev/xvda", true, "simple"
	i.PlatformDetails, i.UsageOperation = "Linux/UNIX", "RunInstances"
	i.BlockDevices = []origami.BlockDevice{{DeviceName: "/dev/xvda", EBS: &origami.EBSBlockDevice{
		Snapshot: origami.NewSnapshotID(), VolumeSize: 8, VolumeType: origami.GP3, IOPS: 3000, Throughput: 125,
		DeleteOnTermination: &yes, Encrypted: &no}}}
	return i
}

// BenchmarkImages measures what DescribeImages asks, among 100,000 images.
// Set ORIGAMI_TEST_POSTGRES to measure PostgreSQL.
func BenchmarkImages(b *testing.B) {
	dsn := "sqlite:" + filepath.Join(b.TempDir(), "meta.db")
	if os.Getenv(postgresVariable) != "" {
		dsn = postgresSchema(b)
	}
	db := open(b, dsn)
	all := fillImages(b, db)
	viewer := func() origami.AccountID { return origami.AccountID(fmt.Sprintf("%012d", rand.N(20))) }
	filter := func(name, value string) []origami.Filter {
		return []origami.Filter{{Name: name, Values: []string{value}}}
	}
	queries := []struct {
		name string
		q    func() metadb.Query
	}{
		{"id", func() metadb.Query {
			n := rand.N(len(all))
			return metadb.Query{Viewer: origami.AccountID(fmt.Sprintf("%012d", n%20)), IDs: []string{string(all[n])}}
		}},
		{"name", func() metadb.Query {
			n := rand.N(len(all))
			return metadb.Query{Viewer: viewer(), Filters: filter("name", fmt.Sprintf("image-%06d", n))}
		}},
		{"tag10", func() metadb.Query {
			return metadb.Query{Viewer: viewer(), Filters: filter("tag:group", fmt.Sprint(rand.N(manyImages/200)))}
		}},
		{"page1000", func() metadb.Query {
			return metadb.Query{Viewer: viewer(), Limit: 1000, After: string(all[rand.N(len(all)/2)])}
		}},
		{"owner1000", func() metadb.Query {
			v := viewer()
			return metadb.Query{Viewer: v, Owners: []origami.AccountID{v}, Limit: 1000}
		}},
		{"public1000", func() metadb.Query { return metadb.Query{Viewer: alice, Limit: 1000} }},
		{"commontag1000", func() metadb.Query {
			return metadb.Query{Viewer: viewer(), Filters: filter("tag:env", "prod"), Limit: 1000}
		}},
	}
	for _, bb := range queries {
		b.Run(bb.name, func(b *testing.B) {
			var took []time.Duration
			rows := 0
			used := cpuTime(b)
			for b.Loop() {
				q := bb.q()
				q.Region = region
				began := time.Now()
				view(b, db, func(tx *metadb.Tx) error {
					for _, err := range tx.Images(q) {
						if err != nil {
							return err
						}
						rows++
					}
					return nil
				})
				took = append(took, time.Since(began))
			}
			report(b, took)
			b.ReportMetric(float64((cpuTime(b)-used).Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(rows)/float64(b.N), "rows")
		})
	}
}

// cpuTime is what this process has used so far: on a busy machine a better
// measure than the time that passed.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report adds the percentiles of what an operation took.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkLaunch measures the transaction of a launch: image and subnet read,
// addresses found, an instance, a volume, tags and a token written.
func BenchmarkLaunch(b *testing.B) {
	db := open(b, "sqlite:"+filepath.Join(b.TempDir(), "meta.db"))
	s := subnet("10.0.0.0/16")
	img := image(alice, "n")
	update(b, db, func(tx *metadb.Tx) error { return tx.PutImage(img) })
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		update(b, db, func(tx *metadb.Tx) error {
			token := fmt.Sprint(len(took))
			if _, _, err := tx.Once(alice, region, "RunInstances", token, [32]byte{}); err != nil {
				return err
			}
			if _, err := tx.Image(region, alice, img.ID); err != nil {
				return err
			}
			i := instance(alice, s, "")
			var err error
			if i.PrivateIP, err = tx.AllocatePrivateIP(s); err != nil {
				return err
			}
			if err := tx.PutInstance(i); err != nil {
				return err
			}
			v := volume(alice)
			v.Attachments = []origami.Attachment{{Instance: i.ID, Device: "/dev/sda1", State: origami.Attached}}
			if err := tx.PutVolume(v); err != nil {
				return err
			}
			if err := tx.PutTags(region, alice, []string{string(i.ID), string(v.ID)}, origami.Tags{"Name": "n"}); err != nil {
				return err
			}
			return tx.SetOnce(alice, region, "RunInstances", token, [32]byte{}, string(i.Reservation))
		})
		took = append(took, time.Since(began))
	}
	report(b, took)
}

// BenchmarkLookupBlocks measures lookups in an index of 500,000 blocks, 256 at
// a time.
func BenchmarkLookupBlocks(b *testing.B) {
	const total, batch = 500_000, 256
	db := open(b, "sqlite:"+filepath.Join(b.TempDir(), "meta.db"))
	for n := 0; n < total; n += 1000 {
		pack := metadb.PackRow{ID: [16]byte{byte(n), byte(n >> 8), byte(n >> 16)}}
		if err := db.AddBlocks(b.Context(), pack, blockRows(n, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	ids := make([][32]byte, batch)
	for b.Loop() {
		for n := range ids {
			ids[n] = blockID(rand.N(total))
		}
		if _, err := db.LookupBlocks(b.Context(), "", ids); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "lookups/s")
}

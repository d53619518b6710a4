package metadb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"origami"
	"origami/internal/metadb"
)

const (
	region           = origami.Region("us-east-1")
	alice            = origami.AccountID("111111111111")
	bob              = origami.AccountID("222222222222")
	carol            = origami.AccountID("333333333333")
	deadline         = 30 * time.Second
	postgresVariable = "ORIGAMI_TEST_POSTGRES"
)

// eachEngine runs a test on a fresh SQLite file, and on a fresh schema of the
// PostgreSQL that scripts/postgres-test.sh starts.
func eachEngine(t *testing.T, test func(t *testing.T, db *metadb.DB)) {
	t.Helper()
	eachDSN(t, func(t *testing.T, dsn string) { test(t, open(t, dsn)) })
}

func eachDSN(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, postgresSchema(t))
	})
}

var schemas atomic.Int64

// postgresSchema makes an empty schema and returns a URL that means it.
func postgresSchema(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv(postgresVariable)
	if dsn == "" {
		t.Skipf("%s is not set; see scripts/postgres-test.sh", postgresVariable)
	}
	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))
	if _, err := admin.ExecContext(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		admin, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Error(err)
			return
		}
		defer admin.Close()
		if _, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+name+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return dsn + "&search_path=" + name
}

func open(t testing.TB, dsn string) *metadb.DB {
	t.Helper()
	return openWith(t, metadb.Config{}, dsn)
}

func openWith(t testing.TB, c metadb.Config, dsn string) *metadb.DB {
	t.Helper()
	db, err := c.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// update runs fn in a transaction that must succeed.
func update(t testing.TB, db *metadb.DB, fn func(tx *metadb.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// view runs fn in a read-only transaction that must succeed.
func view(t testing.TB, db *metadb.DB, fn func(tx *metadb.Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// wantCode checks that err has an EC2 code, or is nil if code is "".
func wantCode(t testing.TB, what string, err error, code origami.Code) {
	t.Helper()
	var e *origami.Error
	switch {
	case code == "" && err == nil:
	case code == "" || !errors.As(err, &e) || e.Code != code:
		t.Errorf("%s: got error %v, want code %q", what, err, code)
	}
}

func image(owner origami.AccountID, name string) *origami.Image {
	return &origami.Image{
		ID: origami.NewImageID(), Region: region, Owner: owner, Name: name,
		State: origami.ImageAvailable, Created: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
	}
}

func snapshot(owner origami.AccountID) *origami.Snapshot {
	return &origami.Snapshot{
		ID: origami.NewSnapshotID(), Region: region, Owner: owner, Volume: origami.NoVolume,
		State: origami.SnapshotCompleted, VolumeSize: 8,
	}
}

func volume(owner origami.AccountID) *origami.Volume {
	return &origami.Volume{
		ID: origami.NewVolumeID(), Region: region, Owner: owner, Zone: "us-east-1a",
		Size: 8, Type: origami.GP3, State: origami.VolumeAvailable,
	}
}

func subnet(cidr string) *origami.Subnet {
	return &origami.Subnet{
		ID: origami.NewSubnetID(), Region: region, Owner: alice, VPC: "vpc-0123456789abcdef0",
		CIDR: netip.MustParsePrefix(cidr),
	}
}

func instance(owner origami.AccountID, s *origami.Subnet, private string) *origami.Instance {
	i := &origami.Instance{
		ID: origami.NewInstanceID(), Region: region, Owner: owner, Reservation: origami.NewReservationID(),
		Image: origami.NewImageID(), State: origami.InstancePending, VPC: s.VPC, Subnet: s.ID,
	}
	if private != "" {
		i.PrivateIP = netip.MustParseAddr(private)
	}
	return i
}

// mapped gives an image a mapping of snapshots.
func mapped(i *origami.Image, snapshots ...*origami.Snapshot) *origami.Image {
	for n, s := range snapshots {
		i.BlockDevices = append(i.BlockDevices, origami.BlockDevice{
			DeviceName: fmt.Sprintf("/dev/sd%c", 'a'+n), EBS: &origami.EBSBlockDevice{Snapshot: s.ID, VolumeSize: s.VolumeSize},
		})
	}
	return i
}

// imageNames lists the names of what a query yields, in its order.
func imageNames(t testing.TB, db *metadb.DB, q metadb.Query) string {
	t.Helper()
	var names []string
	view(t, db, func(tx *metadb.Tx) error {
		names = nil
		for i, err := range tx.Images(q) {
			if err != nil {
				return err
			}
			names = append(names, i.Name)
		}
		return nil
	})
	return strings.Join(names, " ")
}

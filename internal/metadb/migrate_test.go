package metadb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
)

// These tests are inside the package because they stop at older schemas, and
// go to newer ones, than any release has.

func openAt(t *testing.T, path string, steps []migration) (*DB, error) {
	t.Helper()
	db, err := openSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.clock = Config{}.clock()
	db.domains = map[string]int64{}
	return db, db.migrate(context.Background(), steps)
}

// step is a further migration that no release has.
func step(version int, sql string) migration {
	sum := sha256.Sum256([]byte(sql))
	return migration{version, fmt.Sprintf("%04d_test", version), sql, hex.EncodeToString(sum[:])}
}

// A released migration never changes: testdata/released has their checksums.
func TestReleasedMigrations(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/released")
	if err != nil {
		t.Fatal(err)
	}
	released := strings.Split(strings.TrimSpace(string(text)), "\n")
	for n, line := range released {
		if n >= len(migrations) {
			t.Fatalf("released migration %q is gone", line)
		}
		if got := migrations[n].checksum + "  " + migrations[n].name; got != line {
			t.Errorf("a released migration changed: got %s, want %s", got, line)
		}
	}
}

// From every schema, with rows as its time wrote them, the migrations lead to
// the present one, and what was there is there. testdata/schema-N.sql has the
// rows of schema N.
func TestMigrateFromEach(t *testing.T) {
	t.Parallel()
	for n := 1; n <= len(migrations); n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			rows, err := os.ReadFile(fmt.Sprintf("testdata/schema-%d.sql", n))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "meta.db")
			old, err := openAt(t, path, migrations[:n])
			if err != nil {
				t.Fatal(err)
			}
			if err := old.Update(t.Context(), func(tx *Tx) error { return tx.execDDL(string(rows)) }); err != nil {
				t.Fatal(err)
			}
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			db, err := Open(t.Context(), "sqlite:"+path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.View(t.Context(), checkOldRows); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkOldRows checks the rows that every testdata/schema-N.sql has.
func checkOldRows(tx *Tx) error {
	const region, owner, friend = "us-east-1", "111111111111", "222222222222"
	i, err := tx.Image(region, friend, "ami-0123456789abcdef0")
	if err != nil {
		return err
	}
	if i.Name != "golden" || i.Root() == nil || i.Root().EBS.Snapshot != "snap-0123456789abcdef0" || !*i.Root().EBS.DeleteOnTermination {
		return fmt.Errorf("image: %+v", i)
	}
	s, err := tx.Snapshot(region, owner, "snap-0123456789abcdef0")
	if err != nil || s.VolumeSize != 8 || s.Completed.Year() != 2026 {
		return fmt.Errorf("snapshot: %+v, %v", s, err)
	}
	inst, err := tx.Instance(region, owner, "i-0123456789abcdef0")
	if err != nil || inst.PrivateIP.String() != "172.31.0.4" || string(inst.UserData) != "#!" {
		return fmt.Errorf("instance: %+v, %v", inst, err)
	}
	vols, err := tx.VolumesOf(region, inst.ID)
	if err != nil || len(vols) != 1 || vols[0].Attachments[0].Device != "/dev/xvda" {
		return fmt.Errorf("volumes: %+v, %v", vols, err)
	}
	rules, err := tx.RulesOf(region, "sg-0123456789abcdef0")
	if err != nil {
		return err
	}
	wantRules := []*origami.SecurityGroupRule{
		{ID: "sgr-a123456789abcdef0", Protocol: "-1", FromPort: -1, ToPort: -1, Peer: "sg-0123456789abcdef0"},
		{ID: "sgr-b123456789abcdef0", Protocol: "tcp", FromPort: 22, ToPort: 22, CIDR: netip.MustParsePrefix("127.0.0.0/8"),
			Description: "SSH from the host of this installation"},
		{ID: "sgr-c123456789abcdef0", Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: netip.MustParsePrefix("0.0.0.0/0")},
	}
	for _, r := range wantRules {
		r.Region, r.Owner, r.Group = region, owner, "sg-0123456789abcdef0"
	}
	if diff := cmp.Diff(rules, wantRules, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		return fmt.Errorf("rules of the default group (-got +want):\n%s", diff)
	}
	if v, err := tx.VPC(region, owner, "vpc-0123456789abcdef0"); err != nil || !v.Default || !v.DNSHostnames {
		return fmt.Errorf("VPC: %+v, %v", v, err)
	}
	tags, err := tx.Tags(region, owner, string(i.ID))
	if err != nil || tags[string(i.ID)]["Name"] != "Gold" {
		return fmt.Errorf("tags: %v, %v", tags, err)
	}
	job, err := tx.Task(region, owner, "task-0123456789abcdef0")
	if err != nil || job.State != origami.TaskQueued || job.Kind != "ebs.snapshot" {
		return fmt.Errorf("task: %+v, %v", job, err)
	}
	k, err := tx.AccessKey("AKIAIOSFODNN7EXAMPLE")
	if err != nil || k.Account != owner {
		return fmt.Errorf("access key: %+v, %v", k, err)
	}
	return nil
}

func TestNewerSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "meta.db")
	newer, err := openAt(t, path, append(slices.Clip(migrations), step(len(migrations)+1, "CREATE TABLE later (x INTEGER) STRICT;")))
	if err != nil {
		t.Fatal(err)
	}
	newer.Close()
	_, err = Open(t.Context(), "sqlite:"+path)
	want := fmt.Sprintf("schema version %d, this program knows versions up to %d: run a newer origami", len(migrations)+1, len(migrations))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestChangedMigration(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "meta.db")
	db, err := openAt(t, path, []migration{step(1, "CREATE TABLE a (x INTEGER) STRICT;")})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err := Open(t.Context(), "sqlite:"+path); err == nil || !strings.Contains(err.Error(), "another origami") {
		t.Errorf("got error %v", err)
	}
}

// A step that fails leaves the step before, and can be repeated.
func TestFailedMigration(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "meta.db")
	next := len(migrations) + 1
	bad := step(next, "CREATE TABLE later (x INTEGER) STRICT; CREATE TABLE accounts (x INTEGER) STRICT;")
	if _, err := openAt(t, path, append(slices.Clip(migrations), bad)); err == nil {
		t.Fatal("a migration that cannot be applied was")
	}
	good := step(next, "CREATE TABLE later (x INTEGER) STRICT;")
	if _, err := openAt(t, path, append(slices.Clip(migrations), good)); err != nil {
		t.Errorf("after the failure: %v", err)
	}
}

// Many processes may find an old schema at once.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "meta.db")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			db, err := Open(t.Context(), "sqlite:"+path)
			if err != nil {
				t.Error(err)
				return
			}
			db.Close()
		})
	}
	wg.Wait()
}

func TestNumbered(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]string{
		"a = ? AND b IN (?, ?)": "a = $1 AND b IN ($2, $3)",
		"a = '?' AND b = ?":     "a = '?' AND b = $1",
		"a = 'it''s ?' OR ?":    "a = 'it''s ?' OR $1",
		"no marks":              "no marks",
	} {
		if got := numbered(q); got != want {
			t.Errorf("numbered(%q) = %q, want %q", q, got, want)
		}
	}
}

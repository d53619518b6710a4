package main

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/ami"
	"origami/internal/localserver"
)

// TestTables compares what people see with the files of testdata/tables.
func TestTables(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	yesterday := noon.Add(-24 * time.Hour)
	stored := int64(300 << 20)
	ssh := []localserver.Address{{Port: 22, Listen: netip.MustParseAddrPort("127.10.0.5:2222")}}
	bytes1 := ami.Bytes{Logical: 8 << 30, Data: 700 << 20, Stored: 300 << 20, Unique: 20 << 20, Reclaimable: 0}
	tests := map[string]func(io.Writer) error{
		"images": func(w io.Writer) error {
			return printImages(w, []imageRow{
				{ID: "ami-0123456789abcdef0", Name: "base-2026-11-21", State: "available", Architecture: "x86_64", SizeGiB: 8, Stored: &stored,
					Created: noon, Snapshots: []origami.SnapshotID{"snap-0123456789abcdef0"}, Public: true},
				{ID: "ami-0123456789abcdef1", Name: "old\x1b[2J", State: "available", Architecture: "x86_64", SizeGiB: 16, Created: yesterday,
					Deprecated: &yesterday, SharedWith: []origami.AccountID{"123456789012", "123456789013"},
					Snapshots: []origami.SnapshotID{"snap-0123456789abcdef1", "snap-0123456789abcdef2"}},
				{ID: "ami-0123456789abcdef2", Name: "baking", State: "pending", Architecture: "arm64", SharedWith: []origami.AccountID{"123456789012"}},
				{ID: "ami-0123456789abcdef3", Name: "company", State: "available", Architecture: "arm64", SharedWith: []origami.AccountID{"123456789012"},
					Organizations: []origami.OrganizationARN{"arn:aws:organizations::123456789012:organization/o-0123456789"}},
			})
		},
		"access": func(w io.Writer) error {
			yes := ami.Verdict{Allowed: true, Reason: "the account owns the image"}
			no := ami.Verdict{Code: "AuthFailure", Reason: "the image is not shared with account 123456789013"}
			old := ami.Verdict{Reason: "the image is deprecated since 2026-11-20T12:00:00Z: lists show it only with IncludeDeprecated"}
			return printAccess(w, []accessRow{
				{"default", ami.Access{Account: "123456789012", Discover: yes, Launch: yes, Copy: yes}},
				{"builders", ami.Access{Account: "123456789013", Discover: old, Launch: no, Copy: no}},
			})
		},
		"images-none": func(w io.Writer) error { return printImages(w, nil) },
		"instances": func(w io.Writer) error {
			return printInstances(w, []instanceRow{
				newInstanceRow(&origami.Instance{ID: "i-0123456789abcdef0", State: "running", Type: "t3.micro", Image: "ami-0123456789abcdef0",
					PublicIP: netip.MustParseAddr("127.10.0.5"), Launched: noon.Add(-49*time.Hour - time.Minute)}, ssh),
				{ID: "i-0123456789abcdef1", Name: "web", State: "stopped", Type: "m5.large", Image: "ami-0123456789abcdef0", Launched: yesterday},
			}, noon)
		},
		"snapshots": func(w io.Writer) error {
			return printSnapshots(w, []snapshotRow{
				{ID: "snap-0123456789abcdef0", Name: "base", Volume: origami.NoVolume, SizeGiB: 8, Data: 700 << 20, Stored: &stored,
					State: "completed", Progress: 100, Started: noon, Images: []origami.ImageID{"ami-0123456789abcdef0"}},
				{ID: "snap-0123456789abcdef1", Volume: "vol-0123456789abcdef0", SizeGiB: 8, State: "pending", Progress: 42, Started: noon},
			})
		},
		"usage": func(w io.Writer) error {
			return printUsage(w, wholeUsage{
				localserver.Usage{StoredBytes: 320 << 20, Packs: 5, Volumes: []localserver.VolumeUsage{
					{Volume: "vol-0123456789abcdef0", Instance: "i-0123456789abcdef0", SizeGiB: 8, BlocksRead: 360, BlocksData: 1400},
				}},
				localserver.Holdings{
					Images:    []ami.ImageUsage{{ID: "ami-0123456789abcdef0", Name: "base", Bytes: bytes1}},
					Snapshots: []ami.SnapshotUsage{{ID: "snap-0123456789abcdef0", Bytes: bytes1}},
					Account:   bytes1, Referenced: 310 << 20,
				},
			})
		},
		"usage-without-a-key": func(w io.Writer) error {
			return printUsage(w, wholeUsage{
				localserver.Usage{StoredBytes: 320 << 20, Packs: 5},
				localserver.Holdings{
					Images:     []ami.ImageUsage{{ID: "ami-0123456789abcdef0", Name: "base", Unreadable: true, Bytes: ami.Bytes{Logical: 8 << 30}}},
					Snapshots:  []ami.SnapshotUsage{{ID: "snap-0123456789abcdef0", Bytes: bytes1}, {ID: "snap-0123456789abcdef1", Unreadable: true, Bytes: ami.Bytes{Logical: 8 << 30}}},
					Account:    bytes1,
					Referenced: 310 << 20,
					Unreadable: []origami.SnapshotID{"snap-0123456789abcdef1"},
				},
			})
		},
		"mount": func(w io.Writer) error {
			_, err := io.WriteString(w, mountText("snap-0123456789abcdef0", 8<<30, "/home/a b/run/snap.nbd"))
			return err
		},
	}
	for name, print := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := print(&out); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "tables", name+".txt")
			if os.Getenv("ORIGAMI_UPDATE") != "" {
				if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("the table differs (-want +got); ORIGAMI_UPDATE=1 writes it anew:\n%s", diff)
			}
		})
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m1s", 3*time.Hour + 5*time.Minute: "3h5m", 50 * time.Hour: "2d2h",
	} {
		if got := durationText(d); got != want {
			t.Errorf("durationText(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	all := []candidate{
		{id: "i-1", names: []string{"web"}}, {id: "i-2", names: []string{"db", "db"}}, {id: "i-3", names: []string{"web"}}, {id: "i-4", names: []string{""}},
	}
	tests := []struct{ word, want, err string }{
		{"i-3", "i-3", ""}, {"db", "i-2", ""}, {"web", "", "i-1, i-3"}, {"nobody", "", "there is no"}, {"", "", "there is no"},
	}
	for _, tt := range tests {
		got, err := choose("instance", tt.word, all)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("choose(%q) = %q, %v, want %q, %q", tt.word, got, err, tt.want, tt.err)
		}
	}
}

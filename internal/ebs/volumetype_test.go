package ebs_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/ebs"
)

func TestDecideShape(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   ebs.Shape
		want ebs.Shape
		code origami.Code
	}{
		{"default type", ebs.Shape{Size: 8}, ebs.Shape{Type: "gp2", Size: 8, IOPS: 100}, ""},
		{"gp2 derives IOPS", ebs.Shape{Type: "gp2", Size: 1000}, ebs.Shape{Type: "gp2", Size: 1000, IOPS: 3000}, ""},
		{"gp2 at most", ebs.Shape{Type: "gp2", Size: 16384}, ebs.Shape{Type: "gp2", Size: 16384, IOPS: 16000}, ""},
		{"gp2 too large", ebs.Shape{Type: "gp2", Size: 16385}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"gp2 empty", ebs.Shape{Type: "gp2"}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"gp2 negative", ebs.Shape{Type: "gp2", Size: -1}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"gp2 with IOPS", ebs.Shape{Type: "gp2", Size: 8, IOPS: 100}, ebs.Shape{}, origami.CodeInvalidParameterCombination},
		{"gp2 with throughput", ebs.Shape{Type: "gp2", Size: 8, Throughput: 125}, ebs.Shape{}, origami.CodeInvalidParameterCombination},
		{"gp3 defaults", ebs.Shape{Type: "gp3", Size: 1}, ebs.Shape{Type: "gp3", Size: 1, IOPS: 3000, Throughput: 125}, ""},
		{"gp3 full", ebs.Shape{Type: "gp3", Size: 65536, IOPS: 80000, Throughput: 2000}, ebs.Shape{Type: "gp3", Size: 65536, IOPS: 80000, Throughput: 2000}, ""},
		{"gp3 too large", ebs.Shape{Type: "gp3", Size: 65537}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"gp3 few IOPS", ebs.Shape{Type: "gp3", Size: 8, IOPS: 2999}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"gp3 many IOPS", ebs.Shape{Type: "gp3", Size: 65536, IOPS: 80001}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"gp3 IOPS per GiB", ebs.Shape{Type: "gp3", Size: 8, IOPS: 4001}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"gp3 little throughput", ebs.Shape{Type: "gp3", Size: 8, Throughput: 124}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"gp3 much throughput", ebs.Shape{Type: "gp3", Size: 65536, IOPS: 80000, Throughput: 2001}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"gp3 throughput per IOPS", ebs.Shape{Type: "gp3", Size: 8, Throughput: 751}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"io1", ebs.Shape{Type: "io1", Size: 4, IOPS: 200}, ebs.Shape{Type: "io1", Size: 4, IOPS: 200}, ""},
		{"io1 without IOPS", ebs.Shape{Type: "io1", Size: 4}, ebs.Shape{}, origami.CodeMissingParameter},
		{"io1 small", ebs.Shape{Type: "io1", Size: 3, IOPS: 100}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"io1 IOPS per GiB", ebs.Shape{Type: "io1", Size: 4, IOPS: 201}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"io1 few IOPS", ebs.Shape{Type: "io1", Size: 4, IOPS: 99}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"io1 many IOPS", ebs.Shape{Type: "io1", Size: 16384, IOPS: 64001}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"io2", ebs.Shape{Type: "io2", Size: 256, IOPS: 256000}, ebs.Shape{Type: "io2", Size: 256, IOPS: 256000}, ""},
		{"io2 IOPS per GiB", ebs.Shape{Type: "io2", Size: 4, IOPS: 4001}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"st1", ebs.Shape{Type: "st1", Size: 125}, ebs.Shape{Type: "st1", Size: 125}, ""},
		{"st1 small", ebs.Shape{Type: "st1", Size: 124}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"sc1 with IOPS", ebs.Shape{Type: "sc1", Size: 125, IOPS: 100}, ebs.Shape{}, origami.CodeInvalidParameterCombination},
		{"standard", ebs.Shape{Type: "standard", Size: 1024}, ebs.Shape{Type: "standard", Size: 1024}, ""},
		{"standard too large", ebs.Shape{Type: "standard", Size: 1025}, ebs.Shape{}, origami.CodeInvalidParameterValue},
		{"no such type", ebs.Shape{Type: "gp4", Size: 8}, ebs.Shape{}, origami.CodeUnknownVolumeType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.in.Decide()
			if tt.code != "" {
				if !errors.Is(err, &origami.Error{Code: tt.code}) {
					t.Fatalf("got error %v, want %s", err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(got, tt.want); d != "" {
				t.Error(d)
			}
			again, err := got.Decide()
			if got.Type != "gp2" && (err != nil || again != got) {
				t.Errorf("deciding what was decided: %+v, %v", again, err)
			}
		})
	}
}

func TestBootable(t *testing.T) {
	t.Parallel()
	for vt, want := range map[origami.VolumeType]bool{
		"gp2": true, "gp3": true, "io1": true, "io2": true, "standard": true, "st1": false, "sc1": false, "gp4": false,
	} {
		if got := ebs.Bootable(vt); got != want {
			t.Errorf("%s: got %v, want %v", vt, got, want)
		}
	}
}

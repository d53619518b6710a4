package ec2server

import (
	"slices"
	"testing"

	"origami"
)

func TestCurrentBootMode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		state        origami.InstanceState
		architecture origami.Architecture
		mode         origami.BootMode
		want         []string
	}{
		{origami.InstanceRunning, origami.X8664, "", []string{"legacy-bios"}},
		{origami.InstanceRunning, origami.X8664, origami.LegacyBIOS, []string{"legacy-bios"}},
		{origami.InstanceRunning, origami.X8664, origami.UEFIPreferred, []string{"legacy-bios"}},
		{origami.InstanceRunning, origami.X8664, origami.UEFI, []string{"uefi"}},
		{origami.InstanceRunning, origami.ARM64, "", []string{"uefi"}},
		{origami.InstancePending, origami.ARM64, "", nil},
		{origami.InstanceStopped, origami.X8664, origami.UEFI, nil},
	} {
		v := instanceView{Instance: &origami.Instance{State: tt.state, Architecture: tt.architecture, BootMode: tt.mode}}
		if got := currentBootMode(v); !slices.Equal(got, tt.want) {
			t.Errorf("%s %s %s: got %v, want %v", tt.state, tt.architecture, tt.mode, got, tt.want)
		}
	}
}

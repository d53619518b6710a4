package vmm_test

import (
	"strings"
	"testing"

	"origami/internal/vmm"
)

func validSpec() vmm.Spec {
	return vmm.Spec{
		ID:        "i-0123456789abcdef0",
		UUID:      "ec2aaaaa-1111-4222-8333-000000000005",
		Product:   "t3.micro",
		VCPUs:     2,
		MemoryMiB: 512,
		Disks: []vmm.Disk{
			{Socket: "/run/nbd.sock", Export: "vol-1", Serial: "vol0123456789abcdef0", Bus: vmm.VirtIO, Slot: 0},
			{Socket: "/run/nbd.sock", Export: "vol-2", Serial: "vol0123456789abcdef1", Bus: vmm.NVMe, Slot: 3},
		},
		NICs: []vmm.NIC{{MAC: "0a:00:00:00:00:01", Socket: "/run/nic0"}},
	}
}

func TestSpecValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*vmm.Spec)
		want   string // part of the error; empty for none
	}{
		{"valid", func(s *vmm.Spec) {}, ""},
		{"no devices", func(s *vmm.Spec) { s.Disks, s.NICs = nil, nil }, ""},
		{"no ID", func(s *vmm.Spec) { s.ID = "" }, "machine ID"},
		{"ID leads away", func(s *vmm.Spec) { s.ID = "../i-1" }, "machine ID"},
		{"ID is a parent", func(s *vmm.Spec) { s.ID = ".." }, "machine ID"},
		{"long ID", func(s *vmm.Spec) { s.ID = strings.Repeat("i", 64) }, "machine ID"},
		{"UUID in capitals", func(s *vmm.Spec) { s.UUID = strings.ToUpper(s.UUID) }, "UUID"},
		{"UUID with an option", func(s *vmm.Spec) { s.UUID += ",sku=x" }, "UUID"},
		{"product with an option", func(s *vmm.Spec) { s.Product = "t3,sku=x" }, "product"},
		{"no processor", func(s *vmm.Spec) { s.VCPUs = 0 }, "processors"},
		{"many processors", func(s *vmm.Spec) { s.VCPUs = 256 }, "processors"},
		{"no memory", func(s *vmm.Spec) { s.MemoryMiB = 0 }, "memory"},
		{"much memory", func(s *vmm.Spec) { s.MemoryMiB = 1 << 40 }, "memory"},
		{"long serial", func(s *vmm.Spec) { s.Disks[0].Serial += "0" }, "20 bytes"},
		{"no serial", func(s *vmm.Spec) { s.Disks[0].Serial = "" }, "serial"},
		{"unknown bus", func(s *vmm.Spec) { s.Disks[0].Bus = "ide" }, "bus"},
		{"slot twice", func(s *vmm.Spec) { s.Disks[1].Slot = 0 }, "taken"},
		{"negative slot", func(s *vmm.Spec) { s.Disks[1].Slot = -1 }, "negative"},
		{"relative disk socket", func(s *vmm.Spec) { s.Disks[0].Socket = "nbd.sock" }, "absolute"},
		{"long disk socket", func(s *vmm.Spec) { s.Disks[0].Socket = "/" + strings.Repeat("s", 107) }, "107"},
		{"long export", func(s *vmm.Spec) { s.Disks[0].Export = strings.Repeat("v", 4097) }, "export"},
		{"store slot twice", func(s *vmm.Spec) { s.Stores = []vmm.Disk{s.Disks[0], s.Disks[0]} }, "store 1: slot 0 is taken"},
		{"slot of a disk", func(s *vmm.Spec) { s.Stores = s.Disks }, ""},
		{"store without serial", func(s *vmm.Spec) { s.Stores = []vmm.Disk{{Socket: "/s", Bus: vmm.NVMe}} }, "serial"},
		{"no MAC", func(s *vmm.Spec) { s.NICs[0].MAC = "" }, "MAC"},
		{"long MAC", func(s *vmm.Spec) { s.NICs[0].MAC = "0a:00:00:00:00:00:00:01" }, "not 6"},
		{"group MAC", func(s *vmm.Spec) { s.NICs[0].MAC = "01:00:00:00:00:01" }, "group"},
		{"no NIC socket", func(s *vmm.Spec) { s.NICs[0].Socket = "" }, "absolute"},
		{"NIC socket twice", func(s *vmm.Spec) { s.NICs = append(s.NICs, s.NICs[0]) }, "taken"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := validSpec()
			test.change(&s)
			err := s.Validate()
			if test.want == "" && err != nil {
				t.Errorf("Validate() = %v, want none", err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Validate() = %v, want %q", err, test.want)
			}
		})
	}
}

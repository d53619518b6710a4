package qemu_test

import (
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"origami/internal/vmm"
	"origami/internal/vmm/qemu"
)

// The whole command line of a machine, an option and its value a line.
// Commas and quotes in paths and names stay inside their values.
func TestArguments(t *testing.T) {
	t.Parallel()
	spec := vmm.Spec{
		ID:        "i-0123456789abcdef0",
		UUID:      "ec2aaaaa-1111-4222-8333-000000000005",
		Product:   "t3.micro",
		VCPUs:     2,
		MemoryMiB: 1024,
		Disks: []vmm.Disk{
			{Socket: "/run/nbd,x.sock", Export: `vol-1",driver=file`, Serial: "vol0123456789abcdef0", Bus: vmm.VirtIO, Slot: 0},
			{Socket: "/run/nbd.sock", Export: "vol-2", Serial: "vol0123456789abcdef1", Bus: vmm.NVMe, Slot: 17},
		},
		NICs: []vmm.NIC{{MAC: "0a:00:00:00:00:01", Socket: "/run/nic,0"}},
	}
	const want = `-name guest=i-0123456789abcdef0
-accel tcg,thread=multi
-cpu max,la57=off
-no-user-config
-nodefaults
-display none
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
-machine pc,graphics=off
-smp 2
-m 1024M
-rtc base=utc
-boot strict=on
-action reboot=reset,shutdown=pause
-global PIIX4_PM.disable_s3=1
-global PIIX4_PM.disable_s4=1
-smbios type=1,manufacturer=Amazon EC2,product=t3.micro,uuid=ec2aaaaa-1111-4222-8333-000000000005,serial=ec2aaaaa-1111-4222-8333-000000000005
-pidfile /var/lib/a,b/i-0123456789abcdef0/pid
-chardev socket,id=monitor,fd=3,server=on,wait=off
-mon chardev=monitor,mode=control
-chardev file,id=console,append=on,path=/var/lib/a,,b/i-0123456789abcdef0/console.log
-serial chardev:console
-device {"addr":"02.0","bus":"pci.0","driver":"VGA","id":"vga"}
-netdev {"addr":{"path":"/run/nic,0","type":"unix"},"id":"net0","server":true,"type":"stream"}
-device {"addr":"03.0","bus":"pci.0","driver":"virtio-net-pci","id":"nic0","mac":"0a:00:00:00:00:01","netdev":"net0","romfile":""}
-blockdev {"discard":"unmap","driver":"nbd","export":"vol-1\",driver=file","node-name":"nbd0a","reconnect-delay":60,"server":{"path":"/run/nbd,x.sock","type":"unix"}}
-blockdev {"detect-zeroes":"unmap","discard":"unmap","driver":"raw","file":"nbd0a","node-name":"node0"}
-device {"addr":"08.0","bootindex":0,"bus":"pci.0","drive":"node0","driver":"virtio-blk-pci","id":"disk0","rerror":"report","serial":"vol0123456789abcdef0","werror":"report"}
-blockdev {"discard":"unmap","driver":"nbd","export":"vol-2","node-name":"nbd17a","reconnect-delay":60,"server":{"path":"/run/nbd.sock","type":"unix"}}
-blockdev {"detect-zeroes":"unmap","discard":"unmap","driver":"raw","file":"nbd17a","node-name":"node17"}
-device {"addr":"19.0","bus":"pci.0","drive":"node17","driver":"nvme","id":"disk17","serial":"vol0123456789abcdef1"}
`
	if got := lines(qemu.Arguments(spec, "/var/lib/a,b", qemu.AccelTCG)); got != want {
		t.Errorf("arguments =\n%s\nwant\n%s", got, want)
	}
	kvm := lines(qemu.Arguments(spec, "/var/lib/a,b", qemu.AccelKVM))
	for _, option := range []string{"-accel kvm\n", "-cpu host\n"} {
		if !strings.Contains(kvm, option) {
			t.Errorf("arguments for KVM = %s, want %q", kvm, option)
		}
	}
}

// lines joins options and their values.
func lines(args []string) string {
	var b strings.Builder
	for i, arg := range args {
		b.WriteString(arg)
		if next := i + 1; next < len(args) && !strings.HasPrefix(args[next], "-") {
			b.WriteByte(' ')
		} else {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// What the driver wrote about a machine is in the documented form.
func TestRecordFormat(t *testing.T) {
	t.Parallel()
	d, dir := openHere(t)
	want := guestSpec(t, "i-1", "powers-off")
	start(t, d, want)
	awaitStopped(t, d, "i-1")
	for _, name := range []string{"spec.json", "ended.json"} {
		b, err := os.ReadFile(filepath.Join(dir, "i-1", name))
		if err != nil {
			t.Fatal(err)
		}
		var r struct {
			Version int             `json:"version"`
			CRC32C  uint32          `json:"crc32c"`
			Body    json.RawMessage `json:"body"`
		}
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		if sum := crc32.Checksum(r.Body, crc32.MakeTable(crc32.Castagnoli)); r.Version != 1 || r.CRC32C != sum {
			t.Errorf("%s: version %d and checksum %d, want 1 and %d", name, r.Version, r.CRC32C, sum)
		}
		if name != "spec.json" {
			continue
		}
		var got vmm.Spec
		if err := json.Unmarshal(r.Body, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, want %+v", name, got, want)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "i-1"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if got, want := names, []string{"console.log", "ended.json", "spec.json", "stderr.log"}; !slices.Equal(got, want) {
		t.Errorf("files of an ended machine = %q, want %q", got, want)
	}
}

// FuzzRecord reads damaged files of a machine's directory: what is accepted
// has the right checksum.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"crc32c":3614093417,"body":{"ID":"i-1"}}`))
	f.Add([]byte(`{"version":2,"crc32c":0,"body":{}}`))
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var spec vmm.Spec
		if err := qemu.ParseRecord(b, &spec); err != nil {
			return
		}
		var r struct {
			CRC32C uint32          `json:"crc32c"`
			Body   json.RawMessage `json:"body"`
		}
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatalf("accepted %q: %v", b, err)
		}
		if got, want := crc32.Checksum(r.Body, crc32.MakeTable(crc32.Castagnoli)), r.CRC32C; got != want {
			t.Errorf("accepted %q with checksum %d, want %d", b, want, got)
		}
	})
}

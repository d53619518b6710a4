package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// diskAgent is user data of a guest that tells on its console which disks it
// has and how large they are, in sectors. It writes onto disks that are empty,
// and says the checksum of what it wrote, or finds on others.
const diskAgent = `#!/bin/sh
last= seen=' '
sum() { dd if=/dev/$1 bs=1M count=4 2>/dev/null | md5sum | cut -c1-32; }
while :; do
	now=
	for disk in /sys/block/vd* /sys/block/nvme*; do
		[ -e $disk ] || continue
		name=${disk##*/}
		serial=$(cat $disk/serial $disk/device/serial 2>/dev/null | tr -d ' \n')
		now="$now $serial=$(cat $disk/size)"
		case $seen in *" $serial "*) continue ;; esac
		seen="$seen$serial "
		if [ "$(dd if=/dev/$name bs=4 count=1 2>/dev/null)" = DATA ]; then
			echo "agent: read $serial $(sum $name)"
		elif [ "$(dd if=/dev/$name bs=512 count=1 2>/dev/null | tr -d '\0' | wc -c)" = 0 ]; then
			{ echo DATA; dd if=/dev/urandom bs=1M count=4 2>/dev/null; } | dd of=/dev/$name bs=1M 2>/dev/null
			sync
			echo 3 >/proc/sys/vm/drop_caches 2>/dev/null
			echo "agent: wrote $serial $(sum $name)"
		fi
	done
	[ "$now" = "$last" ] || echo "agent: disks$now end"
	last=$now
	usleep 100000
done
`

// realGuest returns the disk of the small Linux guest, or skips the test.
func realGuest(t *testing.T) []byte {
	t.Helper()
	name := os.Getenv("ORIGAMI_TEST_GUEST")
	if name == "" {
		t.Skip("ORIGAMI_TEST_GUEST names no disk")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("needs qemu-system-x86_64")
	}
	disk, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

// pluggable is an installation with machines that disks come to and go from.
type pluggable struct{ *installation }

// boot starts a guest that runs the agent.
func (n pluggable) boot(image, kind string) string {
	n.t.Helper()
	answer := n.must("RunInstances", "ImageId", image, "MinCount", "1", "MaxCount", "1", "InstanceType", kind,
		"UserData", base64.StdEncoding.EncodeToString([]byte(diskAgent)))
	return regexp.MustCompile(`<instanceId>(i-[0-9a-f]+)</instanceId>`).FindStringSubmatch(answer)[1]
}

// terminate ends the machine of an instance, which would outlive the service.
func (n pluggable) terminate(id string) {
	n.t.Helper()
	n.must("TerminateInstances", "InstanceId.1", id, "Force", "true")
	n.await(id, "terminated")
}

// says waits until the last whole line of the agent that begins with what holds
// text, and returns it. What the guest is just printing is half a line.
func (n pluggable) says(id, what, text string) string {
	n.t.Helper()
	var console string
	n.eventually(fmt.Sprintf("%s says %q and %q", id, what, text), func() bool {
		answer := n.must("GetConsoleOutput", "InstanceId", id, "Latest", "true")
		m := regexp.MustCompile(`<output>([^<]*)</output>`).FindStringSubmatch(answer)
		if m == nil {
			return false
		}
		b, err := base64.StdEncoding.DecodeString(m[1])
		if err != nil {
			n.t.Fatal(err)
		}
		console = string(b)
		at := strings.LastIndex(console, "agent: "+what)
		if at < 0 {
			return false
		}
		var whole bool
		console, _, whole = strings.Cut(console[at:], "\n")
		return whole && strings.Contains(console, text)
	})
	return strings.TrimSpace(console)
}

func (n pluggable) eventually(what string, ok func() bool) {
	n.t.Helper()
	deadline := time.After(10 * time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			n.t.Fatalf("never: %s", what)
		}
	}
}

// volume waits until a volume's description holds text.
func (n pluggable) volume(id, text string) {
	n.t.Helper()
	n.eventually(id+" has "+text, func() bool {
		return strings.Contains(n.must("DescribeVolumes", "VolumeId.1", id), text)
	})
}

// TestHotPlug has two real guests, one with virtio disks and one with NVMe
// disks. A volume is attached to the first, grows under it, goes to the second
// with what the first wrote, and comes back.
//
//origami:proves CreateVolume AttachVolume DetachVolume ModifyVolume S38
func TestHotPlug(t *testing.T) {
	t.Parallel()
	disk := realGuest(t)
	n := pluggable{install(t, "--vmm", vmmQEMU)}
	image, _ := n.importDisk("guest", disk)
	one := n.boot(image, "t2.nano")
	defer n.terminate(one)
	two := n.boot(image, "t3.nano")
	defer n.terminate(two)
	n.says(one, "disks", "=")
	n.says(two, "disks", "=")

	answer := n.must("CreateVolume", "AvailabilityZone", zoneOf(t, n.installation), "Size", "1")
	vol := regexp.MustCompile(`<volumeId>(vol-[0-9a-f]+)</volumeId>`).FindStringSubmatch(answer)[1]
	serial := "vol" + strings.TrimPrefix(vol, "vol-")
	n.volume(vol, "<status>available</status>")
	move := func(to string) {
		t.Helper()
		n.must("AttachVolume", "VolumeId", vol, "InstanceId", to, "Device", "/dev/sdf")
		n.volume(vol, "<status>attached</status>")
	}
	release := func(from string) {
		t.Helper()
		n.must("DetachVolume", "VolumeId", vol)
		n.volume(vol, "<status>available</status>")
		n.eventually("the disk is gone", func() bool { return !strings.Contains(n.says(from, "disks", "="), serial) })
	}
	move(one)
	wrote := strings.TrimPrefix(n.says(one, "wrote", serial), "agent: wrote ")
	n.says(one, "disks", fmt.Sprintf("%s=%d", serial, 1<<21))
	n.must("ModifyVolume", "VolumeId", vol, "Size", "3")
	n.says(one, "disks", fmt.Sprintf("%s=%d", serial, 3<<21))
	// Once more, so that each of the two connections was the new one.
	n.eventually("the modification ends", func() bool {
		return strings.Contains(n.must("DescribeVolumesModifications", "VolumeId.1", vol), ">completed<")
	})
	n.must("ModifyVolume", "VolumeId", vol, "Size", "4")
	n.says(one, "disks", fmt.Sprintf("%s=%d", serial, 4<<21))
	release(one)

	move(two)
	if read := strings.TrimPrefix(n.says(two, "read", serial), "agent: read "); read != wrote {
		t.Errorf("the second guest reads %s, and the first wrote %s", read, wrote)
	}
	n.says(two, "disks", fmt.Sprintf("%s=%d", serial, 4<<21))
	release(two)
	move(one)
	n.says(one, "disks", fmt.Sprintf("%s=%d", serial, 4<<21))
	release(one)
	n.must("DeleteVolume", "VolumeId", vol)
}

// zoneOf is the zone of the installation's instances.
func zoneOf(t *testing.T, n *installation) string {
	t.Helper()
	m := regexp.MustCompile(`<availabilityZone>([^<]+)</availabilityZone>`).FindStringSubmatch(n.must("DescribeInstances"))
	if m == nil {
		t.Fatal("no instance has a zone")
	}
	return m[1]
}

package main

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// storeAgent is user data of a guest that runs it at every boot: it tells the
// names of its disks in the metadata, and does what diskAgent does.
const storeAgent = `#!/bin/sh
rm -f /var/lib/origami/instance-id
url=http://169.254.169.254/latest/meta-data/block-device-mapping/
echo "agent: metadata $(for name in $(wget -q -O- $url); do echo "$name=$(wget -q -O- $url$name)"; done | tr '\n' ' ')end"
` + diskAgent

// TestInstanceStore has a real guest with an instance store and follows what
// it wrote: over a reboot and a restart of the service, into an image, and to
// its end when the instance stops. Its types differ in the bus, and in who asks
// for the store.
//
//origami:proves RunInstances RebootInstances StopInstances StartInstances CreateImage S36 S51 S52
func TestInstanceStore(t *testing.T) {
	t.Parallel()
	disk := realGuest(t)
	for _, tt := range []struct {
		kind    string
		sectors int64
		mapping []string
		names   string // in the metadata
	}{
		{"m3.medium", 4e9 / 512, []string{"BlockDeviceMapping.1.DeviceName", "/dev/sdb", "BlockDeviceMapping.1.VirtualName", "ephemeral0"}, "ephemeral0=sdb"},
		{"c5d.large", 50e9 / 512, nil, ""},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			t.Parallel()
			n := pluggable{install(t, "--vmm", vmmQEMU)}
			image, _ := n.importDisk("guest", disk)
			answer := n.must("RunInstances", append([]string{"ImageId", image, "MinCount", "1", "MaxCount", "1", "InstanceType", tt.kind,
				"UserData", base64.StdEncoding.EncodeToString([]byte(storeAgent))}, tt.mapping...)...)
			id := regexp.MustCompile(`<instanceId>(i-[0-9a-f]+)</instanceId>`).FindStringSubmatch(answer)[1]
			defer n.terminate(id)
			// The agent's first look at the disk that is neither volume nor empty.
			first := n.says(id, "wrote", "AWS")
			m := regexp.MustCompile(`wrote (AWS[0-9A-F]{17}) ([0-9a-f]{32})`).FindStringSubmatch(first)
			if m == nil {
				t.Fatalf("the agent says %q", first)
			}
			serial, sum := m[1], m[2]
			n.says(id, "disks", fmt.Sprintf("%s=%d", serial, tt.sectors))
			if got := n.says(id, "metadata", "end"); !strings.Contains(got, tt.names) || tt.names == "" && strings.Contains(got, "ephemeral") {
				t.Errorf("metadata has %q, want %q", got, tt.names)
			}
			n.end()
			n.start()
			n.must("RebootInstances", "InstanceId.1", id)
			n.says(id, "read", serial+" "+sum)

			answer = n.must("CreateImage", "InstanceId", id, "Name", "baked")
			baked := regexp.MustCompile(`<imageId>(ami-[0-9a-f]+)</imageId>`).FindStringSubmatch(answer)[1]
			n.eventually("the image is available", func() bool {
				return strings.Contains(n.must("DescribeImages", "ImageId.1", baked), "<imageState>available</imageState>")
			})
			n.says(id, "read", serial+" "+sum)

			n.must("StopInstances", "InstanceId.1", id)
			n.await(id, "stopped")
			n.must("StartInstances", "InstanceId.1", id)
			n.await(id, "running")
			again := n.says(id, "wrote", "AWS")
			if strings.Contains(again, serial) || strings.Contains(again, sum) {
				t.Errorf("stopped and started, the agent says %q as before", again)
			}
		})
	}
}

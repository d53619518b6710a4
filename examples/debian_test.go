package examples_test

import (
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// cloudConfig is user data that leaves traces.
const cloudConfig = `#cloud-config
write_files:
  - path: /etc/origami
    permissions: "0640"
    content: written by cloud-init
runcmd:
  - [sh, -c, "echo $(id -un) ran it >/run/origami"]
`

// TestDebian boots a Debian 12 whose cloud-init knows nothing of this service,
// and sees it do all that it does on EC2: find its data source, let the key
// pair log in, take its name, act upon user data, grow its root file system to
// a volume larger than the image, and shut down when asked to.
//
//origami:proves RunInstances StopInstances GetConsoleOutput S21
func TestDebian(t *testing.T) {
	disk := os.Getenv("ORIGAMI_TEST_DEBIAN")
	if disk == "" {
		t.Skip("ORIGAMI_TEST_DEBIAN names no disk; make image-debian builds one")
	}
	t.Parallel()
	s := serve(t, "--accel", "tcg", "--public-prefix", "127.81.0.0/24")
	image := s.importDisk(disk, "debian-12")
	key := s.keyPair("debian")
	launched := do(t, s.RunInstances, &ec2.RunInstancesInput{
		ImageId: &image, InstanceType: "t3.small", KeyName: p("debian"), MinCount: p(int32(1)), MaxCount: p(int32(1)),
		UserData: p(base64.StdEncoding.EncodeToString([]byte(cloudConfig))),
		BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(6))}},
		},
	})
	id := *launched.Instances[0].InstanceId
	i := s.await(id, types.InstanceStateNameRunning)
	client := login(t, i, "admin", key)
	for _, check := range []struct {
		line string
		want string // a pattern
	}{
		{"cloud-init status --wait --long", `(?s)^\.*\s*status: done\b.*DataSourceEc2`},
		{"cat /run/cloud-init/cloud.cfg", `^datasource_list: \[ Ec2, None \]$`}, // by the DMI data alone
		{"cloud-id", `^aws$`},
		{"cloud-init query v1.instance_id", "^" + id + "$"},
		{"hostname --fqdn", "^" + regexp.QuoteMeta(*i.PrivateDnsName) + "$"},
		{"sudo cat /etc/origami", `^written by cloud-init$`},
		{"sudo stat -c %a /etc/origami", `^640$`},
		{"cat /run/origami", `^root ran it$`},
		{"df --block-size=M --output=size /", `\n *(5[5-9]|6[01])\d\dM$`},
		{"lsblk --nodeps --noheadings --output SIZE --bytes $(findmnt -no SOURCE /)", `^644\d{7}$`},
		{"sudo sshd -T", `(?m)^permitrootlogin no$`},
		{"sudo sshd -T", `(?m)^passwordauthentication no$`},
		{"sudo getent shadow root admin", `^root:[*!].*\nadmin:[*!]`},
		{"cat /etc/machine-id", `^[0-9a-f]{32}$`},
		{"systemctl is-active dbus", `^active$`},
		{"systemctl list-units --failed --no-legend", `^$`},
		{"sync", `^$`},
	} {
		got, err := command(client, check.line)
		if err != nil || !regexp.MustCompile(check.want).MatchString(got) {
			t.Errorf("%s: %v, and said %q, want %s", check.line, err, got, check.want)
		}
	}
	do(t, s.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{id}})
	s.await(id, types.InstanceStateNameStopped)
	if out := s.console(id); !strings.Contains(out, "Power down") {
		t.Errorf("the machine was stopped without shutting down; the console ends in:\n%s", out[max(0, len(out)-1000):])
	}
}

// console is the last part of what an instance wrote to its serial port.
func (s *service) console(id string) string {
	s.t.Helper()
	out := do(s.t, s.GetConsoleOutput, &ec2.GetConsoleOutputInput{InstanceId: &id, Latest: p(true)})
	text, err := base64.StdEncoding.DecodeString(*out.Output)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

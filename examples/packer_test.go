package examples_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
)

// bundled are the versions of Packer that have the amazon builders built in.
var bundled = regexp.MustCompile(`^Packer v1\.[6-9]\.`)

// stockPacker finds a Packer that needs no plugin, and skips the test without.
func stockPacker(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("packer")
	if err != nil {
		t.Skip("packer is not installed")
	}
	version := exec.Command(path, "version")
	version.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1")
	out, err := version.Output()
	if err != nil || !bundled.Match(out) {
		t.Skipf("%s is no Packer that has the amazon builders built in: %.40q, %v", path, out, err)
	}
	return path
}

// build runs packer build on a template, with values for its variables.
func (s *service) build(packer, template string, vars ...string) {
	s.t.Helper()
	args := []string{"build", "-color=false", "-timestamp-ui", "-var", "endpoint=" + s.url, "-var", "ssh_port=" + sshPort()}
	for _, v := range vars {
		args = append(args, "-var", v)
	}
	c := exec.Command(packer, append(args, template)...)
	home, err := os.MkdirTemp("/tmp", "p") // short: Packer has sockets there
	if err != nil {
		s.t.Fatal(err)
	}
	defer os.RemoveAll(home)
	c.Env = append(s.env, "HOME="+home, "TMPDIR="+home, "PACKER_CONFIG_DIR="+home, "PACKER_CACHE_DIR="+home, "CHECKPOINT_DISABLE=1",
		"AWS_POLL_DELAY_SECONDS=1", "AWS_MAX_ATTEMPTS=900") // 40 of them would give a slow guest as many seconds
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		s.t.Fatalf("%s: %v\n%s", c, err, out.Bytes())
	}
}

// withoutGuest is a copy of a template that does not log in.
func withoutGuest(t *testing.T, template string) string {
	t.Helper()
	text, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	out := strings.Replace(string(text), `communicator  = "ssh"`, `communicator  = "none"`, 1)
	out = regexp.MustCompile(`(?s)\n  provisioner "shell" \{.*?\n  \}\n`).ReplaceAllString(out, "")
	if strings.Contains(out, `"ssh"`) || strings.Contains(out, "provisioner \"") {
		t.Fatalf("%s still logs in:\n%s", template, out)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(template))
	if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ownImage finds the one image of that name.
func (s *service) ownImage(name string) types.Image {
	s.t.Helper()
	out := do(s.t, s.DescribeImages, &ec2.DescribeImagesInput{
		Owners: []string{"self"}, Filters: []types.Filter{{Name: p("name"), Values: []string{name}}},
	})
	if len(out.Images) != 1 {
		s.t.Fatalf("%d images are called %s, want one", len(out.Images), name)
	}
	return out.Images[0]
}

// left lists what a client has made and not removed: instances, volumes, key
// pairs and security groups; and all snapshots.
func (s *service) left() (made, snapshots []string) {
	s.t.Helper()
	for _, r := range do(s.t, s.DescribeInstances, &ec2.DescribeInstancesInput{}).Reservations {
		for _, i := range r.Instances {
			if i.State.Name != types.InstanceStateNameTerminated {
				made = append(made, *i.InstanceId)
			}
		}
	}
	for _, v := range do(s.t, s.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes {
		made = append(made, *v.VolumeId)
	}
	for _, k := range do(s.t, s.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{}).KeyPairs {
		made = append(made, *k.KeyName)
	}
	for _, g := range do(s.t, s.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{}).SecurityGroups {
		if *g.GroupName != "default" {
			made = append(made, *g.GroupName)
		}
	}
	for _, n := range do(s.t, s.DescribeSnapshots, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}}).Snapshots {
		snapshots = append(snapshots, *n.SnapshotId)
	}
	return made, snapshots
}

// mapped lists the snapshots of images, in order of their IDs.
func mapped(images ...types.Image) []string {
	var ids []string
	for _, i := range images {
		for _, d := range i.BlockDeviceMappings {
			if d.Ebs != nil {
				ids = append(ids, *d.Ebs.SnapshotId)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// clean checks that Packer left nothing but the images given.
func (s *service) clean(images ...types.Image) {
	s.t.Helper()
	made, snapshots := s.left()
	if len(made) > 0 {
		s.t.Errorf("Packer left %q", made)
	}
	slices.Sort(snapshots)
	if diff := cmp.Diff(mapped(images...), snapshots); diff != "" {
		s.t.Errorf("snapshots (-of the images +left):\n%s", diff)
	}
}

// noise makes a disk that nobody boots.
func noise(t *testing.T) string {
	t.Helper()
	b := make([]byte, 1<<20)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	path := filepath.Join(t.TempDir(), "noise.raw")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tagsOf(tags []types.Tag) map[string]string {
	m := make(map[string]string)
	for _, t := range tags {
		m[*t.Key] = *t.Value
	}
	return m
}

// TestPackerWithoutGuest runs the templates through every call that they make,
// on a service whose instances boot nothing: twice, so that the second image
// replaces the first.
//
//origami:proves CreateImage RegisterImage CreateSnapshot CreateKeyPair CreateTags DescribeImages ModifyImageAttribute ModifySnapshotAttribute
//origami:proves DeregisterImage DeleteSnapshot DeleteKeyPair TerminateInstances StopInstances DescribeVolumes
func TestPackerWithoutGuest(t *testing.T) {
	packer := stockPacker(t)
	t.Parallel()
	s := serve(t, "--vmm", "none", "--public-prefix", "127.80.0.0/24")
	s.importDisk(noise(t), "nothing")
	source := s.ownImage("nothing")

	t.Run("ebs", func(t *testing.T) {
		template := withoutGuest(t, "packer/ebs.pkr.hcl")
		s.build(packer, template, "source_ami_name=nothing")
		first := s.ownImage("baked")
		s.clean(source, first)
		other := s.newAccount("other")
		s.build(packer, template, "source_ami_name=nothing", `share_with=["`+other.id+`"]`)
		got := s.ownImage("baked")
		other.sees(t, got)
		if *got.ImageId == *first.ImageId {
			t.Errorf("the second bake kept %s of the first", *got.ImageId)
		}
		s.clean(source, got)
		if got, want := *got.Description, "nothing, and what the provisioner did"; got != want {
			t.Errorf("description %q, want %q", got, want)
		}
		if diff := cmp.Diff(map[string]string{"Name": "baked", "Release": "1"}, tagsOf(got.Tags)); diff != "" {
			t.Errorf("tags of the image (-want +got):\n%s", diff)
		}
		type disk struct {
			Device, Type string
			Size         int32
			Delete       bool
		}
		var disks []disk
		for _, d := range got.BlockDeviceMappings {
			disks = append(disks, disk{*d.DeviceName, string(d.Ebs.VolumeType), *d.Ebs.VolumeSize, *d.Ebs.DeleteOnTermination})
		}
		if diff := cmp.Diff([]disk{{"/dev/sda1", "gp3", 4, true}, {"/dev/sdf", "gp2", 1, true}}, disks); diff != "" {
			t.Errorf("disks of the image (-want +got):\n%s", diff)
		}
		for _, n := range do(t, s.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: mapped(got)}).Snapshots {
			if got, want := tagsOf(n.Tags)["Name"], "disk of baked"; got != want {
				t.Errorf("%s is called %q, want %q", *n.SnapshotId, got, want)
			}
		}
		do(t, s.DeregisterImage, &ec2.DeregisterImageInput{ImageId: got.ImageId, DeleteAssociatedSnapshots: p(true)})
	})

	t.Run("ebssurrogate", func(t *testing.T) {
		template := withoutGuest(t, "packer/ebssurrogate.pkr.hcl")
		s.build(packer, template, "source_ami_name=nothing")
		s.build(packer, template, "source_ami_name=nothing")
		got := s.ownImage("from-scratch")
		s.clean(source, got)
		if len(got.BlockDeviceMappings) != 1 || *got.RootDeviceName != "/dev/sda1" || got.Architecture != types.ArchitectureValuesX8664 || !*got.EnaSupport {
			t.Errorf("image %+v", got)
		}
		if e := got.BlockDeviceMappings[0].Ebs; *e.VolumeSize != 3 || e.VolumeType != types.VolumeTypeGp3 || !*e.DeleteOnTermination {
			t.Errorf("root volume %+v", e)
		}
	})
}

// account is an account other than the first, and a client that acts for it.
type account struct {
	*ec2.Client
	id string
}

// newAccount makes an account.
func (s *service) newAccount(name string) account {
	s.t.Helper()
	said := s.run("account", "create", name)
	_, rest, _ := strings.Cut(said, "(")
	id, _, ok := strings.Cut(rest, ")")
	if !ok {
		s.t.Fatalf("origami account create said %q, which names no account", said)
	}
	client, _ := s.account(name)
	return account{client, id}
}

// sees checks that an image and its snapshots are shared with the account.
func (a account) sees(t *testing.T, image types.Image) {
	t.Helper()
	images := do(t, a.DescribeImages, &ec2.DescribeImagesInput{ExecutableUsers: []string{"self"}}).Images
	if len(images) != 1 || *images[0].ImageId != *image.ImageId {
		t.Errorf("%d images are shared with %s, want %s alone", len(images), a.id, *image.ImageId)
	}
	var snapshots []string
	for _, n := range do(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{RestorableByUserIds: []string{"self"}}).Snapshots {
		snapshots = append(snapshots, *n.SnapshotId)
	}
	slices.Sort(snapshots)
	if diff := cmp.Diff(mapped(image), snapshots); diff != "" {
		t.Errorf("snapshots shared with %s (-want +got):\n%s", a.id, diff)
	}
}

// TestPackerBake bakes images over SSH, launches them, and finds the change.
//
//origami:proves CreateImage RunInstances StopInstances AuthorizeSecurityGroupIngress S1
func TestPackerBake(t *testing.T) {
	packer := stockPacker(t)
	for _, tt := range []struct{ name, variable, instanceType, prefix string }{
		{"tiny", "ORIGAMI_TEST_GUEST", "t3.nano", "127.82.0.0/24"},
		{"debian", "ORIGAMI_TEST_DEBIAN", "t3.small", "127.83.0.0/24"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk := os.Getenv(tt.variable)
			if disk == "" {
				t.Skipf("%s names no disk", tt.variable)
			}
			t.Parallel()
			s := serve(t, "--accel", "tcg", "--public-prefix", tt.prefix)
			s.importDisk(disk, "source")
			s.build(packer, "packer/ebs.pkr.hcl", "source_ami_name=source", "instance_type="+tt.instanceType)
			baked := s.ownImage("baked")
			s.clean(s.ownImage("source"), baked)
			s.finds(baked, tt.instanceType, "cat baked.txt", "baked by Packer")
		})
	}
}

// TestPackerSurrogate fills a second disk over SSH, registers it as an image,
// and boots that.
//
//origami:proves RegisterImage CreateSnapshot RunInstances S9
func TestPackerSurrogate(t *testing.T) {
	packer := stockPacker(t)
	disk := os.Getenv("ORIGAMI_TEST_GUEST")
	if disk == "" {
		t.Skip("ORIGAMI_TEST_GUEST names no disk")
	}
	t.Parallel()
	s := serve(t, "--accel", "tcg", "--public-prefix", "127.84.0.0/24")
	s.importDisk(disk, "source")
	s.build(packer, "packer/ebssurrogate.pkr.hcl", "source_ami_name=source", "instance_type=t3.nano", "script="+copyDisk)
	built := s.ownImage("from-scratch")
	s.clean(s.ownImage("source"), built)
	s.finds(built, "t3.nano", "cat /home/admin/surrogate.txt", "copied by Packer")
}

// copyDisk copies the disk of the small guest to the other one.
const copyDisk = `set -e; echo 'copied by Packer' > /home/admin/surrogate.txt; sync; ` +
	`root=$(mount | sed -n 's| on / type ext4.*||p'); echo "root is on $root"; ls -l /dev/nvme* /dev/vd* 2>/dev/null || true; ` +
	`case $root in *p1) from=${root%p1};; *) from=${root%1};; esac; ` +
	`for to in /dev/nvme?n1 /dev/vd?; do [ -b "$to" ] && [ "$to" != "$from" ] && break; done; ` +
	`dd if="$from" of="$to" bs=1M count=64; sync`

// finds launches an image, logs in, and checks what a command says.
func (s *service) finds(image types.Image, instanceType, line, want string) {
	s.t.Helper()
	key := s.keyPair("look")
	launched := do(s.t, s.RunInstances, &ec2.RunInstancesInput{
		ImageId: image.ImageId, InstanceType: types.InstanceType(instanceType), KeyName: p("look"), MinCount: p(int32(1)), MaxCount: p(int32(1)),
	})
	id := *launched.Instances[0].InstanceId
	client := login(s.t, s.await(id, types.InstanceStateNameRunning), "admin", key)
	got, err := command(client, line)
	if err != nil || got != want {
		s.t.Errorf("%s: %v, and said %q, want %q", line, err, got, want)
	}
}

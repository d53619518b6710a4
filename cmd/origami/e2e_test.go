package main_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestMainLine does the main job with the stock clients and real machines:
// import a disk, register it, launch two instances on different hardware, log
// in, change one, bake an image, remove the old, launch the new, and find the
// change; then it stops, starts, reboots, kills the service and ends it all.
//
//origami:proves RegisterImage CreateKeyPair RunInstances CreateImage DeregisterImage StopInstances StartInstances RebootInstances TerminateInstances GetConsoleOutput
//origami:proves S2 S9 S11 S12 S21 S34 S44 S45 S47 S48 S87 S94 S105 S106
func TestMainLine(t *testing.T) {
	guest := needs(t, "qemu-system-x86_64", "qemu-img", "aws", "ssh")
	s := serve(t)
	c := s.client("default")

	// Import, from two formats, and register.
	qcow2 := filepath.Join(s.work, "guest.qcow2")
	if out, err := exec.Command("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", guest, qcow2).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v\n%s", err, out)
	}
	var first, second struct{ ImageID, SnapshotID string }
	decode(t, s.origami("import", guest, "--name", "from raw", "--output", "json"), &first)
	decode(t, s.origami("import", qcow2, "--name", "from qcow2", "--output", "json"), &second)
	sameDisk(t, s, second.SnapshotID, guest)
	base := s.aws("ec2", "register-image", "--name", "base", "--architecture", "x86_64", "--virtualization-type", "hvm", "--ena-support",
		"--root-device-name", "/dev/sda1", "--block-device-mappings", "DeviceName=/dev/sda1,Ebs={SnapshotId="+first.SnapshotID+"}", "--query", "ImageId")
	s.key = filepath.Join(s.work, "key")
	if err := os.WriteFile(s.key, []byte(s.aws("ec2", "create-key-pair", "--key-name", "e2e", "--key-type", "ed25519", "--query", "KeyMaterial")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	// Two instances: one with NVMe disks, one with virtio disks.
	run := func(image, kind string) string {
		return s.aws("ec2", "run-instances", "--image-id", image, "--instance-type", kind, "--key-name", "e2e", "--query", "Instances[0].InstanceId")
	}
	nvme, virtio := run(base, "t3.nano"), run(base, "t2.nano")
	group := s.aws("ec2", "describe-instances", "--instance-ids", nvme, "--query", "Reservations[0].Instances[0].SecurityGroups[0].GroupId")
	s.aws("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
	for id, disk := range map[string]string{nvme: "nvme0n1", virtio: "vda"} {
		if got := s.guest(s.address(id), "ls /sys/block"); !strings.Contains(got, disk) {
			t.Errorf("%s has the disks %q, want %s", id, got, disk)
		}
	}

	// Change one and bake it, with a reboot and without.
	sum := s.guest(s.address(nvme), "head -c 3000000 /dev/urandom >data; sync; sha256sum data")
	baked := s.aws("ec2", "create-image", "--instance-id", nvme, "--name", "baked", "--description", "with data", "--query", "ImageId")
	s.available(c, baked)
	s.aws("ec2", "deregister-image", "--image-id", base)
	if got := s.guest(s.address(virtio), "echo alive"); got != "alive" {
		t.Errorf("without its image an instance says %q", got)
	}
	fresh := run(baked, "t3.nano")
	if got := s.guest(s.address(nvme), "sha256sum data"); got != sum {
		t.Errorf("after the reboot of create-image the file is %s, want %s", got, sum)
	}
	if got := s.guest(s.address(fresh), "sha256sum data"); got != sum {
		t.Errorf("in the new instance the file is %s, want %s", got, sum)
	}
	s.guest(s.address(fresh), "touch /tmp/running")
	live := s.aws("ec2", "create-image", "--instance-id", fresh, "--name", "live", "--no-reboot", "--query", "ImageId")
	s.available(c, live)
	if got := s.guest(s.address(fresh), "ls /tmp/running"); got != "/tmp/running" {
		t.Errorf("create-image --no-reboot rebooted: %q", got)
	}

	t.Run("killed service", func(t *testing.T) { killWhileWriting(t, s, virtio) })
	t.Run("stop, start, reboot", func(t *testing.T) { stopAndStart(t, s, c, virtio) })
	t.Run("accounts", func(t *testing.T) { otherAccount(t, s, []string{fresh, baked, first.SnapshotID}) })

	var usage struct{ StoredBytes int64 }
	decode(t, s.origami("usage", "--output", "json"), &usage)
	if usage.StoredBytes < 3000000 || usage.StoredBytes > 256<<20 {
		t.Errorf("the store holds %d bytes, want the guest and the file once", usage.StoredBytes)
	}

	// The end: machines and volumes go, the images stay.
	s.await("the guest to be ready", func() bool {
		return strings.Contains(s.aws("ec2", "get-console-output", "--instance-id", virtio, "--query", "Output"), "origami-guest: ready")
	})
	s.aws("ec2", "terminate-instances", "--instance-ids", nvme, virtio, fresh)
	s.await("the volumes to go", func() bool {
		out, err := c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
		return err == nil && len(out.Volumes) == 0
	})
	if out := s.aws("ec2", "get-console-output", "--instance-id", virtio, "--query", "Output"); !strings.Contains(out, "origami-guest: ready") {
		t.Errorf("the console output of the terminated instance is %q", out)
	}
	sameDisk(t, s, first.SnapshotID, guest)
}

// available waits until an image is available.
func (s *service) available(c *ec2.Client, id string) {
	s.t.Helper()
	s.await(id+" to be available", func() bool {
		out, err := c.DescribeImages(s.t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{id}})
		if err != nil {
			s.t.Fatal(err)
		}
		if out.Images[0].State == types.ImageStateFailed {
			s.t.Fatalf("%s failed: %s", id, *out.Images[0].StateReason.Message)
		}
		return out.Images[0].State == types.ImageStateAvailable
	})
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// sameDisk has qemu-img compare a snapshot, served over NBD, with a file.
func sameDisk(t *testing.T, s *service, snapshot, file string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	socket := filepath.Join(s.work, "nbd")
	mount := s.command(ctx, "mount", snapshot, "--data-dir", s.dir, "--socket", socket)
	mount.Cancel = func() error { return mount.Process.Signal(os.Interrupt) }
	said, err := mount.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mount.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = mount.Wait() // it was interrupted
	}()
	if first, err := bufio.NewReader(said).ReadString('\n'); err != nil || !strings.Contains(first, "is served at") {
		t.Fatalf("origami mount %s said %q, %v", snapshot, first, err)
	}
	out, err := exec.CommandContext(ctx, "qemu-img", "compare", "-f", "raw", "-F", "raw", file, "nbd+unix:///?socket="+socket).CombinedOutput()
	if err != nil {
		t.Errorf("%s differs from %s: %v\n%s", snapshot, file, err, out)
	}
}

// numberedLines is how many lines a guest writes while the service is killed.
const numberedLines = 4000

// linesSum is what sha256sum says of the file with all of them.
func linesSum() string {
	sum := sha256.New()
	for i := range numberedLines {
		fmt.Fprintf(sum, "line %d\n", i+1)
	}
	return hex.EncodeToString(sum.Sum(nil)) + "  lines"
}

// killWhileWriting kills the service while a guest writes a file and starts it
// again: the guest goes on, and the file is what it wrote.
func killWhileWriting(t *testing.T, s *service, id string) {
	s.on(t)
	address := s.address(id)
	s.guest(address, fmt.Sprintf(`touch /tmp/same-boot; rm -f lines done
sh -c 'i=0; while [ $i -lt %d ]; do i=$((i+1)); echo "line $i"; [ $((i %% 20)) != 0 ] || sync; done >lines; sync; touch done' </dev/null >/dev/null 2>&1 &`, numberedLines))
	s.await("the first lines", func() bool {
		out, err := s.ssh(t.Context(), address, "grep -c . lines")
		return err == nil && out != "0"
	})
	s.end(os.Kill)
	s.start()
	s.guest(address, "test -e done")
	if got, want := s.guest(address, "sha256sum lines; ls /tmp/same-boot"), linesSum()+"\n/tmp/same-boot"; got != want {
		t.Errorf("after the kill the guest has %q, want %q", got, want)
	}
}

// stopAndStart stops, starts and reboots the instance that wrote lines: they
// stay, and now come from the disk.
func stopAndStart(t *testing.T, s *service, c *ec2.Client, id string) {
	s.on(t)
	s.aws("ec2", "stop-instances", "--instance-ids", id)
	s.state(c, id, types.InstanceStateNameStopped)
	s.aws("ec2", "start-instances", "--instance-ids", id)
	s.state(c, id, types.InstanceStateNameRunning)
	if got := s.guest(s.address(id), "sha256sum lines; ls /tmp/same-boot 2>/dev/null; touch /tmp/before"); got != linesSum() {
		t.Errorf("after stop and start the guest has %q, want %q", got, linesSum())
	}
	s.aws("ec2", "reboot-instances", "--instance-ids", id)
	s.await("the guest to reboot", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		out, err := s.ssh(ctx, s.address(id), "[ -e /tmp/before ] || sha256sum lines")
		return err == nil && out == linesSum()
	})
}

// state waits until an instance is in a state.
func (s *service) state(c *ec2.Client, id string, want types.InstanceStateName) {
	s.t.Helper()
	s.await(id+" to be "+string(want), func() bool {
		out, err := c.DescribeInstances(s.t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
		if err != nil {
			s.t.Fatal(err)
		}
		return out.Reservations[0].Instances[0].State.Name == want
	})
}

// otherAccount makes an account while the service runs; it sees nothing.
func otherAccount(t *testing.T, s *service, ids []string) {
	s.on(t)
	s.origami("account", "create", "stranger")
	c := s.client("stranger")
	ctx := t.Context()
	images, err := c.DescribeImages(ctx, &ec2.DescribeImagesInput{})
	if err != nil || len(images.Images) > 0 {
		t.Errorf("a stranger sees images %v, %v", images, err)
	}
	instances, err := c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	if err != nil || len(instances.Reservations) > 0 {
		t.Errorf("a stranger sees instances %v, %v", instances, err)
	}
	snapshots, err := c.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{})
	if err != nil || len(snapshots.Snapshots) > 0 {
		t.Errorf("a stranger sees snapshots %v, %v", snapshots, err)
	}
	volumes, err := c.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{})
	if err != nil || len(volumes.Volumes) > 0 {
		t.Errorf("a stranger sees volumes %v, %v", volumes, err)
	}
	keys, err := c.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{})
	if err != nil || len(keys.KeyPairs) > 0 {
		t.Errorf("a stranger sees key pairs %v, %v", keys, err)
	}
	for _, id := range ids {
		_, err := c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: &id, Value: &id}}})
		if err == nil || !strings.Contains(err.Error(), "NotFound") {
			t.Errorf("a stranger tags %s: got error %v, want NotFound", id, err)
		}
	}
	if out, err := s.try("mount", ids[2], "--account", "stranger"); err == nil || !strings.Contains(out, ids[2]) {
		t.Errorf("a stranger mounts alice's snapshot: %v %s", err, out)
	}
}

// TestImportErrors says what is wrong with a disk in a line that helps.
//
//origami:proves S40
func TestImportErrors(t *testing.T) {
	needs(t, "qemu-system-x86_64", "qemu-img")
	s := serve(t)
	backed, empty := filepath.Join(s.work, "backed.qcow2"), filepath.Join(s.work, "empty")
	if out, err := exec.Command("qemu-img", "create", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", backed, "1M").CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v\n%s", err, out)
	}
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refuse := func(want string, args ...string) {
		t.Helper()
		out, err := s.try(append([]string{"import"}, args...)...)
		if err == nil || !strings.Contains(out, want) || strings.Count(strings.TrimSpace(out), "\n") > 0 || !strings.HasPrefix(out, "origami: ") {
			t.Errorf("import %v: got %v %q, want one line with %q", args, err, out, want)
		}
	}
	refuse("backing file", backed, "--name", "backed")
	refuse("empty", empty, "--name", "empty")
	refuse("between 3 and 128 characters", backed[:len(backed)-len("backed.qcow2")]+"log", "--name", "x")
	refuse("no such file", filepath.Join(s.work, "absent"), "--name", "absent")
	refuse("regular files", "/dev/null", "--name", "null")
	refuse("no account", empty, "--name", "who", "--account", "nobody")
	if images, err := s.client("default").DescribeImages(t.Context(), &ec2.DescribeImagesInput{}); err != nil || len(images.Images) > 0 {
		t.Errorf("failed imports left %v, %v", images, err)
	}

	// A service that dies amid an import says so afterwards.
	big := filepath.Join(s.work, "big")
	if out, err := exec.Command("sh", "-c", "head -c 400000000 /dev/urandom >"+big).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	importing := s.command(t.Context(), "import", big, "--name", "big", "--data-dir", s.dir)
	if err := importing.Start(); err != nil {
		t.Fatal(err)
	}
	find := func() *types.Image {
		out, err := s.client("default").DescribeImages(t.Context(), &ec2.DescribeImagesInput{})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Images) == 0 {
			return nil
		}
		return &out.Images[0]
	}
	s.await("the import to begin", func() bool { return find() != nil })
	s.end(os.Kill)
	if err := importing.Wait(); err == nil {
		t.Log("the import was faster than the kill")
	}
	refuse("the service does not run", big, "--name", "nobody is there")
	s.start()
	s.await("the image to have an end", func() bool { return find().State != types.ImageStatePending })
	switch img := find(); img.State {
	case types.ImageStateAvailable:
		sameDisk(t, s, *img.BlockDeviceMappings[0].Ebs.SnapshotId, big)
	case types.ImageStateFailed:
		if !strings.Contains(*img.StateReason.Message, "import the disk again") {
			t.Errorf("the image failed with %q, want a reason that says what to do", *img.StateReason.Message)
		}
	default:
		t.Errorf("the image is %s", img.State)
	}
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"origami/internal/vmm/qemu/qmp"
	"origami/internal/vmm/vmmtest"
)

// TestPowersOffAlone has machines end while no service runs: by their guests,
// one of which shall be terminated then, and by force. The next service tells
// how each one ended.
//
//origami:proves RunInstances DescribeInstances
func TestPowersOffAlone(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("needs qemu-system-x86_64")
	}
	n := install(t, "--vmm", vmmQEMU, "--accel", "tcg")
	image, _ := n.importDisk("guest", vmmtest.BootDisk(vmmtest.Obedient))
	run := func(params ...string) string {
		t.Helper()
		params = append([]string{"ImageId", image, "MinCount", "1", "MaxCount", "1", "InstanceType", "t3.nano"}, params...)
		id := regexp.MustCompile(`<instanceId>(i-[0-9a-f]+)</instanceId>`).FindStringSubmatch(n.must("RunInstances", params...))[1]
		n.await(id, "running")
		pluggable{n}.eventually("the guest runs", func() bool {
			b, err := os.ReadFile(filepath.Join(n.dir, "machines", id, "console.log"))
			return err == nil && strings.Contains(string(b), vmmtest.Ready)
		})
		return id
	}
	stops, crashes := run(), run()
	ends := run("InstanceInitiatedShutdownBehavior", "terminate")
	n.end()
	for _, id := range []string{stops, ends} {
		monitor, err := qmp.Dial(t.Context(), filepath.Join(n.dir, "machines", id, "qmp.sock"))
		if err != nil {
			t.Fatal(err)
		}
		if err := monitor.Execute(t.Context(), "system_powerdown", nil, nil); err != nil {
			t.Fatal(err)
		}
		// QEMU says it before it waits for the server of its disks.
		for ev := range monitor.Events() {
			if ev.Name == "SHUTDOWN" {
				break
			}
		}
		if err := monitor.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(filepath.Join(n.dir, "machines", crashes, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.start()
	for _, want := range []struct{ id, state, code string }{
		{stops, "stopped", "Client.InstanceInitiatedShutdown"},
		{ends, "terminated", "Client.InstanceInitiatedShutdown"},
		{crashes, "stopped", "Server.InternalError"},
	} {
		n.await(want.id, want.state)
		if text := n.must("DescribeInstances", "InstanceId.1", want.id); !strings.Contains(text, "<stateReason><code>"+want.code+"</code>") {
			t.Errorf("%s is %s for another reason than %s: %s", want.id, want.state, want.code, text)
		}
	}
}

package main

import (
	"crypto/ed25519"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// The lines that cloud-init prints.
const (
	beginHostKeys = "-----BEGIN SSH HOST KEY KEYS-----"
	endHostKeys   = "-----END SSH HOST KEY KEYS-----"
)

// hostKey makes a public key as a line of a console.
func hostKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func TestHostKeysIn(t *testing.T) {
	t.Parallel()
	first, second, third := hostKey(t), hostKey(t), hostKey(t)
	block := func(lines ...string) string {
		return "boot\r\n" + beginHostKeys + "\r\n" + strings.Join(lines, "\r\n") + "\r\n" + endHostKeys + "\r\nlogin: "
	}
	tests := []struct {
		name, console string
		want          []string
	}{
		{"none", "login: ", nil},
		{"cloud-init", block(first+" root@ip-172-31-0-5", second), []string{first, second}},
		{"after a reboot", block(first) + block(second), []string{second}},
		{"cut off", block(first) + beginHostKeys + "\r\n" + second, nil},
		{"other lines", block("[   12.3] eth0: up", third, "ssh-ed25519 AAAA", "# "+first), []string{third}},
		{"options", block(`command="x" ` + first), nil},
		{"too many", block(slices.Repeat([]string{first}, 100)...), slices.Repeat([]string{first}, maxHostKeys)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, k := range hostKeysIn([]byte(tt.console)) {
				got = append(got, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("hostKeysIn = %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzHostKeysIn(f *testing.F) {
	f.Add([]byte(beginHostKeys + "\nssh-ed25519 AAAA\n" + endHostKeys))
	f.Fuzz(func(t *testing.T, console []byte) {
		for _, k := range hostKeysIn(console) {
			if line := string(ssh.MarshalAuthorizedKey(k)); strings.Count(line, "\n") != 1 {
				t.Errorf("a key of several lines: %q", line)
			}
		}
	})
}

// TestScanHostKey asks an ssh server for its key.
func TestScanHostKey(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		config := &ssh.ServerConfig{NoClientAuth: true}
		config.AddHostKey(signer)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			ssh.NewServerConn(c, config) // ends when the client has seen the key
			c.Close()
		}
	}()
	console := "-----BEGIN SSH HOST KEY FINGERPRINTS-----\r\n256 " + ssh.FingerprintSHA256(signer.PublicKey()) +
		" root@ip (ED25519)\r\n-----END SSH HOST KEY FINGERPRINTS-----\r\n"
	at := netip.MustParseAddrPort(l.Addr().String())
	key, err := scanHostKey(t.Context(), at, fingerprintsIn([]byte(console)))
	if err != nil || ssh.FingerprintSHA256(key) != ssh.FingerprintSHA256(signer.PublicKey()) {
		t.Errorf("scanHostKey = %v, %v", key, err)
	}
	if _, err := scanHostKey(t.Context(), at, []string{"SHA256:other"}); err == nil || !strings.Contains(err.Error(), "none of those") {
		t.Errorf("another key is accepted: %v", err)
	}
}

func TestSSHArgs(t *testing.T) {
	t.Parallel()
	d := dataDir(t.TempDir())
	at := netip.MustParseAddrPort("127.10.0.5:2222")
	seen, err := d.hostKeys("i-0123456789abcdef0", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(seen.args("i-0123456789abcdef0", at, sshOptions{user: "admin"}), " ")
	want := fmt.Sprintf("-p 2222 -o HostKeyAlias=i-0123456789abcdef0 -o UserKnownHostsFile=\"%s/ssh/known_hosts\" -o GlobalKnownHostsFile=/dev/null"+
		" -o StrictHostKeyChecking=accept-new -o UpdateHostKeys=no -l admin -- 127.10.0.5", d)
	if got != want {
		t.Errorf("args = %s, want %s", got, want)
	}
	key := hostKey(t)
	told, err := d.hostKeys("i-0123456789abcdef0", hostKeysIn([]byte(beginHostKeys+"\n"+key+"\n"+endHostKeys)))
	if err != nil {
		t.Fatal(err)
	}
	got = strings.Join(told.args("i-0123456789abcdef0", at, sshOptions{user: "root", identity: "key.pem", command: []string{"ls", "-l"}}), " ")
	for _, want := range []string{"StrictHostKeyChecking=yes", "-i key.pem -o IdentitiesOnly=yes", "-l root -- 127.10.0.5 ls -l"} {
		if !strings.Contains(got, want) {
			t.Errorf("args = %s, want %s in them", got, want)
		}
	}
	if b, err := os.ReadFile(told.file); err != nil || string(b) != "i-0123456789abcdef0 "+key+"\n" {
		t.Errorf("known hosts = %q, %v", b, err)
	}
	if got, want := sshConfigWord(`/a b/%h/"x`), `"/a b/%%h/\"x"`; got != want {
		t.Errorf("sshConfigWord = %s, want %s", got, want)
	}
}

// TestSSHCommand asks for instances that cannot be reached.
func TestSSHCommand(t *testing.T) {
	t.Parallel()
	n := install(t)
	if err := n.try(t.Context(), os.Stderr, "ssh", "nobody"); err == nil || !strings.Contains(err.Error(), "there is no instance") {
		t.Errorf("ssh to nobody = %v", err)
	}
	image, _ := n.importDisk("base", random(10, 1<<20))
	id := n.launch(image, "web")
	n.must("StopInstances", "InstanceId.1", id)
	n.await(id, "stopped")
	if err := n.try(t.Context(), os.Stderr, "ssh", "web"); err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("ssh to a stopped instance = %v", err)
	}
}

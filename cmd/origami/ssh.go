package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"origami"
)

// sshOptions are what the user says about a connection.
type sshOptions struct {
	user, identity string
	command        []string
}

func sshCommand() *cobra.Command {
	var t target
	var o sshOptions
	c := &cobra.Command{
		Use:   "ssh INSTANCE [-- COMMAND...]",
		Short: "Log in to an instance, or run a command there",
		Long: `Log in to an instance, named by its ID or its Name tag, with the ssh of this
host. If the instance printed its host keys or their fingerprints on its console,
as cloud-init does, only these are accepted; otherwise the first one seen is, and
kept in the data directory.`,
		Example: `  origami ssh web --data-dir ~/origami
  origami ssh --data-dir ~/origami -i key.pem --user debian web -- uptime`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.command = args[1:]
			return t.ssh(c.Context(), args[0], o)
		},
	}
	t.flags(c, false)
	c.Flags().StringVar(&o.user, "user", "admin", "user to log in as")
	c.Flags().StringVarP(&o.identity, "identity", "i", "", "file with the private key")
	c.ValidArgsFunction = t.completeInstances
	return c
}

// ssh becomes the ssh of this host, connected to an instance.
func (t *target) ssh(ctx context.Context, word string, o sshOptions) error {
	v, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	i, err := v.instance(ctx, word)
	if err != nil {
		return err
	}
	client, err := t.client(ctx)
	if err != nil {
		return err
	}
	addresses, err := client.Addresses(ctx)
	if err != nil {
		return err
	}
	at, ok := served(addresses.Instances[i.ID], sshPort)
	if !ok {
		return fmt.Errorf("%s is %s, and its port 22 is not served on this host", i.ID, i.State)
	}
	program, err := exec.LookPath("ssh")
	if err != nil {
		return fmt.Errorf("find ssh: %w", err)
	}
	output, err := consoleOf(ctx, client, i.ID)
	if err != nil {
		return err
	}
	known := hostKeysIn(output)
	if prints := fingerprintsIn(output); len(known) == 0 && len(prints) > 0 {
		key, err := scanHostKey(ctx, at, prints)
		if err != nil {
			return err
		}
		known = append(known, key)
	}
	keys, err := v.dir.hostKeys(i.ID, known)
	if err != nil {
		return err
	}
	if err := syscall.Exec(program, append([]string{"ssh"}, keys.args(i.ID, at, o)...), os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}

// maxHostKeys bounds the keys taken from a console, which the guest writes.
const maxHostKeys = 16

// printed finds what a machine has printed on its console between the lines
// that cloud-init puts around it, the last time that it did.
func printed(console []byte, what string) []byte {
	begin, end := "-----BEGIN SSH HOST KEY "+what+"-----", "-----END SSH HOST KEY "+what+"-----"
	from := bytes.LastIndex(console, []byte(begin))
	if from < 0 {
		return nil
	}
	block, _, ok := bytes.Cut(console[from+len(begin):], []byte(end))
	if !ok {
		return nil
	}
	return block
}

// hostKeysIn finds the host keys on a console.
func hostKeysIn(console []byte) []ssh.PublicKey {
	var keys []ssh.PublicKey
	for line := range bytes.Lines(printed(console, "KEYS")) {
		key, _, options, _, err := ssh.ParseAuthorizedKey(bytes.TrimSpace(line))
		if err == nil && len(options) == 0 && len(keys) < maxHostKeys {
			keys = append(keys, key)
		}
	}
	return keys
}

// fingerprintsIn finds the fingerprints of host keys on a console.
func fingerprintsIn(console []byte) []string {
	var prints []string
	for word := range bytes.FieldsSeq(printed(console, "FINGERPRINTS")) {
		if bytes.HasPrefix(word, []byte("SHA256:")) && len(prints) < maxHostKeys {
			prints = append(prints, string(word))
		}
	}
	return prints
}

// scanTime bounds how long an instance may take to show its host key.
const scanTime = 20 * time.Second

// scanHostKey asks an instance for its host key, which must be one of those
// with the given fingerprints.
func scanHostKey(ctx context.Context, at netip.AddrPort, fingerprints []string) (ssh.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	var shown ssh.PublicKey
	seen := errors.New("seen")
	_, _, _, err = ssh.NewClientConn(conn, at.String(), &ssh.ClientConfig{
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			shown = key
			return seen // there is nothing else to do on this connection
		},
	})
	switch {
	case shown == nil:
		return nil, fmt.Errorf("ask for the host key: %w", err)
	case !slices.Contains(fingerprints, ssh.FingerprintSHA256(shown)):
		return nil, fmt.Errorf("the host key %s is none of those that the instance printed on its console", ssh.FingerprintSHA256(shown))
	}
	return shown, nil
}

// knownHosts is the file that tells the host keys of instances.
type knownHosts struct {
	file   string
	strict bool // only the keys in it are accepted
}

// hostKeys writes the keys of an instance into a file of its own, or without
// any returns the file of those that are accepted when first seen.
func (d dataDir) hostKeys(id origami.InstanceID, keys []ssh.PublicKey) (knownHosts, error) {
	if err := os.MkdirAll(d.path("ssh"), 0o700); err != nil {
		return knownHosts{}, err
	}
	if len(keys) == 0 {
		return knownHosts{file: d.path("ssh/known_hosts")}, nil
	}
	var b bytes.Buffer
	for _, k := range keys {
		fmt.Fprintf(&b, "%s %s", id, ssh.MarshalAuthorizedKey(k))
	}
	file := d.path("ssh/" + string(id))
	f, err := os.CreateTemp(d.path("ssh"), "new-*")
	if err != nil {
		return knownHosts{}, err
	}
	defer os.Remove(f.Name()) // fails once it has its name
	_, err = f.Write(b.Bytes())
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	return knownHosts{file: file, strict: true}, err
}

// args are those of ssh. Host keys are kept under the ID of the instance, since
// addresses go from one to the next.
func (k knownHosts) args(id origami.InstanceID, at netip.AddrPort, o sshOptions) []string {
	checking := "accept-new"
	if k.strict {
		checking = "yes"
	}
	args := []string{
		"-p", strconv.Itoa(int(at.Port())),
		"-o", "HostKeyAlias=" + string(id),
		"-o", "UserKnownHostsFile=" + sshConfigWord(k.file),
		"-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=" + checking,
		"-o", "UpdateHostKeys=no",
	}
	if o.identity != "" {
		args = append(args, "-i", o.identity, "-o", "IdentitiesOnly=yes")
	}
	return append(append(args, "-l", o.user, "--", at.Addr().String()), o.command...)
}

// sshConfigWord writes a path as ssh_config(5) reads it, which takes blanks as
// the end and % as the beginning of something else.
func sshConfigWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(s) + `"`
}

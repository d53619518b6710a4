package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/localserver"
	"origami/internal/metadb"
)

func mountCommand() *cobra.Command {
	var t target
	var socket string
	c := &cobra.Command{
		Use:   "mount SNAPSHOT",
		Short: "Serve a snapshot over NBD, read-only, until Ctrl-C",
		Long: `Serve a snapshot over NBD, read-only, on a UNIX socket until Ctrl-C, and say how to
attach it. SNAPSHOT is the ID or the Name tag of a snapshot, or the ID or name of
an image, of which the root snapshot is served.`,
		Example: "  origami mount base-2026-11-21 --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return t.mount(c.Context(), args[0], socket, c.OutOrStdout())
		},
	}
	t.flags(c, false)
	c.Flags().StringVar(&socket, "socket", "", "path of the socket (default: in the data directory)")
	c.ValidArgsFunction = t.completeSnapshots
	return c
}

func (t *target) mount(ctx context.Context, word, socket string, out io.Writer) error {
	v, err := t.open(ctx)
	if err != nil {
		return err
	}
	id, err := v.snapshot(ctx, word)
	v.close()
	if err != nil {
		return err
	}
	client, err := t.client(ctx)
	if err != nil {
		return err
	}
	if socket == "" {
		socket = v.dir.path("run/" + string(id) + ".nbd")
	}
	l, err := listenMount(socket)
	if err != nil {
		return err
	}
	defer l.Close() // and removes the socket
	return client.Mount(ctx, l, id, func(m localserver.Mounted) {
		fmt.Fprint(out, mountText(id, m.SizeBytes, socket))
	})
}

// listenMount listens on a socket for this user only. One that a dead process
// left is replaced.
func listenMount(path string) (*net.UnixListener, error) {
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("%s is served already", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return listenPrivate(path)
}

// mountText tells how to attach what is served on a socket.
func mountText(id origami.SnapshotID, size int64, socket string) string {
	uri := quote("nbd+unix:///?socket=" + strings.ReplaceAll(url.PathEscape(socket), "%2F", "/"))
	return fmt.Sprintf(`%[1]s (%[2]s) is served at %[3]s, read-only, until Ctrl-C.

Look at it, copy it:

  nbdinfo %[3]s
  nbdcopy %[3]s disk.raw

Attach it to this host as a block device, as root, and detach it:

  modprobe nbd max_part=16
  qemu-nbd --read-only --format=raw --connect=/dev/nbd0 %[3]s
  qemu-nbd --disconnect /dev/nbd0

or with the client of the kernel's own protocol:

  nbd-client -unix %[4]s /dev/nbd0
  nbd-client -d /dev/nbd0

Mount its file systems without root, and unmount them:

  guestmount --ro -i --format=raw -a %[5]s DIRECTORY
  guestunmount DIRECTORY
`, id, sizeText(size), uri, quoteIfNeeded(socket), quote("nbd://?socket="+socket))
}

// snapshot finds the snapshot that a word means: itself, or the root snapshot
// of an image.
func (v *view) snapshot(ctx context.Context, word string) (origami.SnapshotID, error) {
	images, snapshots, err := v.stored(ctx)
	if err != nil {
		return "", err
	}
	id, err := choose("snapshot or image", word, append(snapshots, images...))
	if err != nil {
		return "", err
	}
	if origami.ResourceType(id) != "image" {
		return origami.SnapshotID(id), nil
	}
	var img *origami.Image
	err = v.db.View(ctx, func(tx *metadb.Tx) (err error) {
		img, err = tx.Image(v.who.Region, v.who.Account, origami.ImageID(id))
		return err
	})
	if err != nil {
		return "", plain(err)
	}
	if root := img.Root(); root != nil && root.EBS.Snapshot != "" {
		return root.EBS.Snapshot, nil
	}
	return "", errors.New(id + " has no root snapshot")
}

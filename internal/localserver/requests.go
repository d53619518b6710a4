package localserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"origami"
)

// Mount has the service serve a snapshot on a listening socket until ctx ends,
// and calls ready when it does. The listener stays the caller's.
func (c *Client) Mount(ctx context.Context, l *net.UnixListener, id origami.SnapshotID, ready func(Mounted)) error {
	f, err := l.File()
	if err != nil {
		return err
	}
	defer f.Close()
	resp, err := c.do(ctx, MountPath, MountRequest{Snapshot: id}, f)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	var m Mounted
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	ready(m)
	_, err = io.Copy(io.Discard, resp.Body)
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(errors.New("the service ended, and the snapshot is no longer served"), err)
}

// Console writes the output of an instance's serial console to w as it comes.
func (c *Client) Console(ctx context.Context, w io.Writer, in ConsoleRequest) error {
	resp, err := c.do(ctx, ConsolePath, in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	_, err = io.Copy(w, resp.Body)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Addresses asks where the caller's instances can be reached.
func (c *Client) Addresses(ctx context.Context) (Addresses, error) {
	var a Addresses
	return a, c.ask(ctx, AddressesPath, struct{}{}, &a)
}

// Holdings asks what the caller's images and snapshots hold.
func (c *Client) Holdings(ctx context.Context) (Holdings, error) {
	var u Holdings
	return u, c.ask(ctx, HoldingsPath, struct{}{}, &u)
}

// Deleting asks what deleting would free.
func (c *Client) Deleting(ctx context.Context, in DeletingRequest) (Deletion, error) {
	var d Deletion
	return d, c.ask(ctx, DeletingPath, in, &d)
}

// ask sends a request whose answer is one document.
func (c *Client) ask(ctx context.Context, path string, in, out any) error {
	resp, err := c.do(ctx, path, in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// refused reads the error of an answer.
func refused(resp *http.Response) error {
	_, err := readAnswer(resp.Body, nil)
	if err == nil {
		err = fmt.Errorf("the service answers %s", resp.Status)
	}
	return err
}

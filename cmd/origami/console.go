package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/localserver"
)

func consoleCommand() *cobra.Command {
	var t target
	var follow bool
	c := &cobra.Command{
		Use:   "console INSTANCE",
		Short: "Show the serial console of an instance, live",
		Long: `Show the serial console of an instance, named by its ID or its Name tag: what is
kept of its output, then what it prints, until the instance stops or Ctrl-C.
The console of an instance that has stopped is shown too.`,
		Example: "  origami console web --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			v, err := t.open(c.Context())
			if err != nil {
				return err
			}
			i, err := v.instance(c.Context(), args[0])
			v.close()
			if err != nil {
				return err
			}
			client, err := t.client(c.Context())
			if err != nil {
				return err
			}
			err = client.Console(c.Context(), c.OutOrStdout(), localserver.ConsoleRequest{Instance: i.ID, Follow: follow})
			if err == nil && follow && c.Context().Err() == nil && isTerminal(c.ErrOrStderr()) {
				fmt.Fprintf(c.ErrOrStderr(), "\norigami: %s has stopped\n", i.ID)
			}
			return err
		},
	}
	t.flags(c, false)
	c.Flags().BoolVar(&follow, "follow", true, "go on until the instance stops")
	c.ValidArgsFunction = t.completeInstances
	return c
}

// maxConsole bounds what is read of a console that is only looked at.
const maxConsole = 8 << 20

// console reads what is kept of a console.
func consoleOf(ctx context.Context, client *localserver.Client, id origami.InstanceID) ([]byte, error) {
	var b bytes.Buffer
	err := client.Console(ctx, &limitedWriter{&b, maxConsole}, localserver.ConsoleRequest{Instance: id})
	return b.Bytes(), err
}

// limitedWriter drops what is too much.
type limitedWriter struct {
	w    io.Writer
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p[:min(len(p), l.left)])
	l.left -= n
	if err != nil {
		return n, err
	}
	return len(p), nil
}

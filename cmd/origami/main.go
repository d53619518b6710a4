// Command origami is a machine-image region: an EC2-compatible service that
// holds machine images with their real bytes and starts machines from them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set when the program is built (-ldflags -X).
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	var quiet *exitError
	switch {
	case err == nil:
	case errors.As(err, &quiet):
		os.Exit(quiet.code)
	default:
		fmt.Fprintln(os.Stderr, "origami:", err)
		os.Exit(1)
	}
}

// exitError ends the program with a status after the command itself has said
// what is wrong.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "origami",
		Short: "A machine-image region on your own machine",
		Long: `Origami is an EC2-compatible service that holds machine images (AMIs) with
their real bytes: import a disk, register it, launch identical virtual machines
from it in seconds, change one and bake a new image.

Start it, and point any AWS client at it:

  origami serve --data-dir ~/origami &
  eval "$(origami env --data-dir ~/origami)"
  aws ec2 describe-images --owners self`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
	}
	root.AddCommand(
		serveCommand(), envCommand(), accountCommand(), organizationCommand(), userCommand(), rootKeyCommand(), importCommand(),
		imagesCommand(), imageCommand(), instancesCommand(), snapshotsCommand(), usageCommand(),
		consoleCommand(), sshCommand(), mountCommand(), checkCommand(), manCommand(),
	)
	return root
}

// program is the path of this program, for commands that people are to type
// wherever they are.
func program() string {
	self, err := os.Executable()
	if err != nil {
		return "origami"
	}
	return self
}

// dataDirFlag adds the flag that every command needs.
func dataDirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "data-dir", "", "directory that holds everything (required)")
	c.MarkFlagRequired("data-dir")
	c.MarkFlagDirname("data-dir")
}

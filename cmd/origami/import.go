package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"origami"
	"origami/internal/localserver"
	"origami/internal/vmie"
)

func importCommand() *cobra.Command {
	var dir, account, region, output string
	var in localserver.ImportRequest
	var arch string
	c := &cobra.Command{
		Use:   "import FILE --name NAME",
		Short: "Turn a local disk image into an available AMI",
		Long: `Turn a local disk image, raw or qcow2, into an available AMI of the running
service. The service reads the file directly; nothing is uploaded. Blocks that
the store holds already are not stored again.`,
		Example: "  origami import disk.qcow2 --name base-2026-11-21 --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text"); err != nil {
				return err
			}
			d, err := absolute(dir)
			if err != nil {
				return err
			}
			in.Architecture = origami.Architecture(arch)
			img, err := d.importFile(c.Context(), args[0], in, account, origami.Region(region), progressTo(c.ErrOrStderr(), output == "text"))
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(c.OutOrStdout(), img)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is available: %s, %d GiB, snapshot %s\n", img.ID, img.Name, img.SizeGiB, img.Snapshot)
			return nil
		},
	}
	dataDirFlag(c, &dir)
	f := c.Flags()
	f.StringVar(&in.Name, "name", "", "name of the image (required)")
	c.MarkFlagRequired("name")
	f.StringVar(&in.Description, "description", "", "description of the image")
	f.StringVar(&in.Format, "format", "", "raw or qcow2 (default: found out)")
	f.StringVar(&arch, "architecture", string(origami.X8664), "i386, x86_64 or arm64")
	f.StringToStringVar((*map[string]string)(&in.Tags), "tag", nil, "tags of image and snapshot, KEY=VALUE")
	f.StringVar(&account, "account", defaultAccount, "name or number of the account")
	f.StringVar(&region, "region", "", "region (default: the first of the installation)")
	outputFlag(c, &output, "text")
	return c
}

// importFile has the running service import a file.
func (d dataDir) importFile(ctx context.Context, path string, in localserver.ImportRequest, account string, region origami.Region, progress func(vmie.Progress)) (*localserver.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	client, err := d.client(ctx, account, region)
	if err != nil {
		return nil, err
	}
	return client.Import(ctx, f, in, progress)
}

// progressTo shows an import to a person: a bar of bytes with the rate and
// what was stored after dedupe.
func progressTo(w io.Writer, show bool) func(vmie.Progress) {
	if !show || !isTerminal(w) {
		return func(vmie.Progress) {}
	}
	var p *mpb.Progress
	var bar *mpb.Bar
	var stored atomic.Int64 // the bar draws itself from another goroutine
	return func(at vmie.Progress) {
		stored.Store(at.Stored)
		if bar == nil {
			p = mpb.New(mpb.WithOutput(w), mpb.WithWidth(48))
			bar = p.AddBar(at.Total,
				mpb.PrependDecorators(decor.Name(at.Format+" "), decor.CountersKibiByte("% .1f / % .1f")),
				mpb.AppendDecorators(
					decor.AverageSpeed(decor.SizeB1024(0), " % .1f"),
					decor.Any(func(decor.Statistics) string { return fmt.Sprintf("  stored %s", sizeText(stored.Load())) }),
				))
		}
		bar.SetCurrent(at.Done)
		if at.Done == at.Total {
			p.Wait()
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// sizeText writes a number of bytes for people.
func sizeText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, exp := float64(n), -1
	for value >= unit && exp < 4 {
		value /= unit
		exp++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[exp])
}

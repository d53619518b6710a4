package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/localserver"
	"origami/internal/metadb"
)

// usage answers what the service has stored, and what the caller's volumes in
// use have read.
func (s *service) usage(ctx context.Context, who origami.Caller) (localserver.Usage, error) {
	stats := s.ebs.StoreStats()
	u := localserver.Usage{StoredBytes: stats.StoredBytes, Packs: stats.Packs, Volumes: []localserver.VolumeUsage{}}
	var vols []*origami.Volume
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		for v, err := range tx.Volumes(metadb.Query{Region: who.Region, Viewer: who.Account}) {
			if err != nil {
				return err
			}
			vols = append(vols, v)
		}
		return nil
	})
	if err != nil {
		return u, err
	}
	for _, v := range vols {
		read, data, open, err := s.ebs.Touched(ctx, v.ID)
		if err != nil {
			return u, err
		}
		if !open {
			continue
		}
		use := localserver.VolumeUsage{Volume: v.ID, SizeGiB: v.Size, BlocksRead: read, BlocksData: data}
		if len(v.Attachments) > 0 {
			use.Instance = v.Attachments[0].Instance
		}
		u.Volumes = append(u.Volumes, use)
	}
	return u, nil
}

func usageCommand() *cobra.Command {
	var dir, account, region, output string
	c := &cobra.Command{
		Use:   "usage",
		Short: "Show what is stored, and how much of their images running instances have read",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output, "table"); err != nil {
				return err
			}
			d, err := absolute(dir)
			if err != nil {
				return err
			}
			client, err := d.client(c.Context(), account, origami.Region(region))
			if err != nil {
				return err
			}
			u, err := client.Usage(c.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(c.OutOrStdout(), u)
			}
			return printUsage(c.OutOrStdout(), u)
		},
	}
	dataDirFlag(c, &dir)
	c.Flags().StringVar(&account, "account", defaultAccount, "name or number of the account")
	c.Flags().StringVar(&region, "region", "", "region (default: the first of the installation)")
	outputFlag(c, &output, "table")
	return c
}

func printUsage(w io.Writer, u localserver.Usage) error {
	fmt.Fprintf(w, "Stored: %s in %d packs\n", sizeText(u.StoredBytes), u.Packs)
	if len(u.Volumes) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nVOLUME\tINSTANCE\tSIZE\tREAD\tOF DATA\tSHARE")
	for _, v := range u.Volumes {
		share := 0.0
		if v.BlocksData > 0 {
			share = 100 * float64(v.BlocksRead) / float64(v.BlocksData)
		}
		fmt.Fprintf(t, "%s\t%s\t%d GiB\t%s\t%s\t%.0f %%\n", v.Volume, v.Instance, v.SizeGiB,
			sizeText(v.BlocksRead*blockSize), sizeText(v.BlocksData*blockSize), share)
	}
	return t.Flush()
}

// blockSize is the unit of the block counts in usage.
const blockSize = 512 << 10

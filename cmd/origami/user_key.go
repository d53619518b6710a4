package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/iam"
	"origami/internal/localserver"
)

func userKeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Make, list and delete access keys of a user",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(userKeyCreateCommand(), userKeyListCommand(), userKeyDeleteCommand())
	return c
}

func userKeyCreateCommand() *cobra.Command {
	var p people
	return p.flags(&cobra.Command{
		Use:     "create NAME",
		Short:   "Make another access key of a user, who may have two",
		Example: "  origami user key create alice --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var made newKey
			if err := p.change(c.Context(), "text", "CreateAccessKey", localserver.UserRequest{Name: args[0]}, &made); err != nil {
				return err
			}
			return made.print(c, p.output)
		},
	}, "text")
}

// listedKey is one entry of user key list.
type listedKey struct {
	ID      string    `json:"accessKeyId"`
	Active  bool      `json:"active"`
	Created time.Time `json:"created"`
}

func userKeyListCommand() *cobra.Command {
	var p people
	return p.flags(&cobra.Command{
		Use:     "list NAME",
		Short:   "List the access keys of a user",
		Example: "  origami user key list alice --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.with(c.Context(), "table", func(s *iam.Service, account origami.AccountID) error {
				all, err := s.AccessKeys(c.Context(), account, args[0])
				if err != nil {
					return err
				}
				rows := make([]listedKey, 0, len(all))
				for _, k := range all {
					rows = append(rows, listedKey{k.ID, !k.Disabled, k.Created})
				}
				return printRows(c.OutOrStdout(), p.output, rows, printKeys)
			})
		},
	}, "table")
}

func printKeys(w io.Writer, rows []listedKey) error {
	t := newTable(w, "KEY", "ACTIVE", "CREATED")
	for _, k := range rows {
		t.row(k.ID, k.Active, k.Created)
	}
	return t.end()
}

func userKeyDeleteCommand() *cobra.Command {
	var p people
	return p.flags(&cobra.Command{
		Use:     "delete NAME KEY",
		Short:   "Delete an access key of a user, which is refused from then on",
		Example: "  origami user key delete alice AKIA0123456789ABCDEF --data-dir ~/origami",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return p.change(c.Context(), "", "DeleteAccessKey", localserver.UserRequest{Name: args[0], Key: args[1]}, nil)
		},
	}, "")
}

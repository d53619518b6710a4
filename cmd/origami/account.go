package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/iam"
)

func accountCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "account",
		Short: "Make and list accounts, also while the service runs",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(accountCreateCommand(), accountListCommand(), accountAliasCommand())
	return c
}

// newAccount is the answer of account create.
type newAccount struct {
	ID        origami.AccountID `json:"accountId"`
	Name      string            `json:"name"`
	AccessKey string            `json:"accessKeyId"`
	Secret    string            `json:"secretAccessKey"`
}

func accountCreateCommand() *cobra.Command {
	var dir, output string
	c := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make an account, isolated from all others, with an access key",
		Example: "  origami account create builders --data-dir ~/origami --output json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text"); err != nil {
				return err
			}
			d, err := absolute(dir)
			if err != nil {
				return err
			}
			db, err := d.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer db.Close()
			a, k, err := iam.New(db).CreateAccount(c.Context(), args[0])
			if err != nil {
				return plain(err)
			}
			if output == "json" {
				return printJSON(c.OutOrStdout(), newAccount{a.ID, a.Name, k.ID, k.Secret})
			}
			fmt.Fprintf(c.OutOrStdout(), "Account %s (%s) is ready. Use it with:\n\n  eval \"$(origami env --data-dir %s --account %s)\"\n",
				a.Name, a.ID, quoteIfNeeded(string(d)), quoteIfNeeded(a.Name))
			return nil
		},
	}
	dataDirFlag(c, &dir)
	outputFlag(c, &output, "text")
	return c
}

// listedAccount is one entry of account list.
type listedAccount struct {
	ID      origami.AccountID `json:"accountId"`
	Name    string            `json:"name"`
	Created time.Time         `json:"created"`
}

func accountListCommand() *cobra.Command {
	var dir, output string
	c := &cobra.Command{
		Use:   "list",
		Short: "List accounts",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output, "table"); err != nil {
				return err
			}
			d, err := absolute(dir)
			if err != nil {
				return err
			}
			db, err := d.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer db.Close()
			all, err := iam.New(db).Accounts(c.Context())
			if err != nil {
				return err
			}
			list := make([]listedAccount, 0, len(all))
			for _, a := range all {
				list = append(list, listedAccount(a))
			}
			if output == "json" {
				return printJSON(c.OutOrStdout(), list)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ACCOUNT\tNAME\tCREATED")
			for _, a := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\n", a.ID, a.Name, a.Created.Format(time.RFC3339))
			}
			return w.Flush()
		},
	}
	dataDirFlag(c, &dir)
	outputFlag(c, &output, "table")
	return c
}

func accountAliasCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "alias ACCOUNT [ALIAS]",
		Short: "Make an account publish its images as amazon, aws-marketplace or aws-backup-vault",
		Long: `Make an account publish its images as amazon, aws-marketplace or
aws-backup-vault: requests then find them by that owner. Without an alias the
account publishes under its number again.`,
		Example: "  origami account alias builders amazon --data-dir ~/origami",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return withAccounts(c.Context(), dir, func(s *iam.Service) error {
				id, err := accountByWord(c.Context(), s, args[0])
				if err != nil {
					return err
				}
				return s.SetOwnerAlias(c.Context(), id, strings.Join(args[1:], ""))
			})
		},
	}
	dataDirFlag(c, &dir)
	return c
}

// plain gives people the message of an API error without its code.
func plain(err error) error {
	var e *origami.Error
	if errors.As(err, &e) {
		return errors.New(e.Message)
	}
	return err
}

// quoteIfNeeded quotes a word for a shell if the shell would read it otherwise.
func quoteIfNeeded(s string) string {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '/' && c != '-' && c != '_' && c != '.' {
			return quote(s)
		}
	}
	return s
}

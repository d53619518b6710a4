package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/iam"
	"origami/internal/localserver"
)

func accountCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "account",
		Short: "Make and list accounts, whether the service runs or not",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(accountCreateCommand(), accountListCommand(), accountAliasCommand())
	return c
}

// withAccounts opens the accounts of a data directory for f.
func withAccounts(ctx context.Context, dir string, f func(*iam.Service) error) error {
	d, err := absolute(dir)
	if err != nil {
		return err
	}
	db, err := d.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return plain(f(iam.New(db)))
}

// accountByWord finds an account by its name or number.
func accountByWord(ctx context.Context, s *iam.Service, word string) (origami.AccountID, error) {
	all, err := s.Accounts(ctx)
	if err != nil {
		return "", err
	}
	for _, a := range all {
		if string(a.ID) == word || a.Name == word {
			return a.ID, nil
		}
	}
	return "", noAccount(word)
}

// findAccount finds an account of a data directory by its name or number.
func findAccount(ctx context.Context, dir, word string) (id origami.AccountID, err error) {
	err = withAccounts(ctx, dir, func(s *iam.Service) error {
		id, err = accountByWord(ctx, s, word)
		return err
	})
	return id, err
}

// noAccount says that a word means no account.
func noAccount(word string) error {
	return fmt.Errorf("there is no account %q; see: origami account list", word)
}

// newAccount is the answer of account create.
type newAccount localserver.NewAccount

// print says what was made, and to people how to use it.
func (a newAccount) print(w io.Writer, output, dir string) error {
	if output == "json" {
		return printJSON(w, a)
	}
	d, err := absolute(dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "Account %s (%s) is ready. Use it with:\n\n  eval \"$(%s env --data-dir %s --account %s)\"\n",
		a.Name, a.ID, quoteIfNeeded(program()), quoteIfNeeded(string(d)), quoteIfNeeded(a.Name))
	return err
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
			var made newAccount
			if err := operate(c.Context(), dir, "CreateAccount", localserver.AccountRequest{Name: args[0]}, &made); err != nil {
				return err
			}
			return made.print(c.OutOrStdout(), output, dir)
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
		Use:     "list",
		Short:   "List accounts",
		Example: "  origami account list --data-dir ~/origami",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output, "table"); err != nil {
				return err
			}
			return withAccounts(c.Context(), dir, func(s *iam.Service) error {
				all, err := s.Accounts(c.Context())
				if err != nil {
					return err
				}
				rows := make([]listedAccount, 0, len(all))
				for _, a := range all {
					rows = append(rows, listedAccount(a))
				}
				return printRows(c.OutOrStdout(), output, rows, printAccounts)
			})
		},
	}
	dataDirFlag(c, &dir)
	outputFlag(c, &output, "table")
	return c
}

func printAccounts(w io.Writer, rows []listedAccount) error {
	t := newTable(w, "ACCOUNT", "NAME", "CREATED")
	for _, a := range rows {
		t.row(a.ID, a.Name, a.Created)
	}
	return t.end()
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
			id, err := findAccount(c.Context(), dir, args[0])
			if err != nil {
				return err
			}
			return operate(c.Context(), dir, "SetOwnerAlias", localserver.AccountRequest{ID: id, Alias: strings.Join(args[1:], "")}, nil)
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
	var answered *localserver.Error
	if errors.As(err, &answered) {
		return errors.New(answered.Message)
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/iam"
)

func userCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "user",
		Short: "Make, list and delete users of an account and their access keys",
		Long: `A user may do what its policies allow. With an access key of an account's root,
the AWS CLI manages users, groups, roles and policies in full (aws iam ...); these
commands make the first ones, whether the service runs or not.`,
		Args: cobra.NoArgs,
	}
	c.AddCommand(userCreateCommand(), userListCommand(), userDeleteCommand(), userKeyCommand())
	return c
}

// people is where a command about users works: an account of an installation.
type people struct {
	dir, account string
	output       string
}

// flags adds the flags of a command whose text output is called text, "" if it
// prints nothing.
func (p *people) flags(c *cobra.Command, text string) *cobra.Command {
	dataDirFlag(c, &p.dir)
	c.Flags().StringVar(&p.account, "account", defaultAccount, "name or number of the account")
	if text != "" {
		outputFlag(c, &p.output, text)
	}
	return c
}

// with does something with the users of the account.
func (p *people) with(ctx context.Context, text string, f func(*iam.Service, origami.AccountID) error) error {
	if err := checkOutput(p.output, text); err != nil {
		return err
	}
	return withAccounts(ctx, p.dir, func(s *iam.Service) error {
		account, err := accountByWord(ctx, s, p.account)
		if err != nil {
			return err
		}
		return f(s, account)
	})
}

// newKey is the answer of commands that make an access key.
type newKey struct {
	Account   origami.AccountID `json:"accountId"`
	User      string            `json:"userName"`
	ARN       string            `json:"arn"`
	AccessKey string            `json:"accessKeyId"`
	Secret    string            `json:"secretAccessKey"`
}

// print shows a key, in the words of a shell for people.
func (k newKey) print(c *cobra.Command, output string) error {
	if output == "json" {
		return printJSON(c.OutOrStdout(), k)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "# %s; the secret is not shown again\nexport AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n",
		k.ARN, k.AccessKey, k.Secret)
	return err
}

func makeKey(ctx context.Context, s *iam.Service, account origami.AccountID, name string) (newKey, error) {
	u, err := s.Identity(ctx, account, origami.KindUser, name)
	if err != nil {
		return newKey{}, err
	}
	k, err := s.CreateAccessKey(ctx, account, name)
	return newKey{account, u.Name, u.ARN(), k.ID, k.Secret}, err
}

func userCreateCommand() *cobra.Command {
	var p people
	var policies []string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a user with an access key, and attach policies",
		Example: `  origami user create alice --data-dir ~/origami --policy AmazonEC2ReadOnlyAccess
  origami user create ci --data-dir ~/origami --policy arn:aws:iam::123456789012:policy/build --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.with(c.Context(), "text", func(s *iam.Service, account origami.AccountID) error {
				ctx, name := c.Context(), args[0]
				if _, err := s.CreateIdentity(ctx, account, iam.IdentitySpec{Kind: origami.KindUser, Name: name}); err != nil {
					return err
				}
				for _, arn := range policies {
					if !strings.Contains(arn, ":") {
						arn = "arn:aws:iam::aws:policy/" + arn
					}
					if err := s.Attach(ctx, account, origami.KindUser, name, arn); err != nil {
						return errors.Join(err, eraseUser(ctx, s, account, name))
					}
				}
				k, err := makeKey(ctx, s, account, name)
				if err != nil {
					return err
				}
				return k.print(c, p.output)
			})
		},
	}
	c.Flags().StringArrayVar(&policies, "policy", nil, "managed policy to attach: its ARN, or the name of one that AWS gives every account")
	return p.flags(c, "text")
}

// listedUser is one entry of user list.
type listedUser struct {
	Name     string    `json:"userName"`
	ID       string    `json:"userId"`
	ARN      string    `json:"arn"`
	Policies []string  `json:"policies"` // attached and its own
	Keys     int       `json:"accessKeys"`
	Created  time.Time `json:"created"`
}

func userListCommand() *cobra.Command {
	var p people
	return p.flags(&cobra.Command{
		Use:     "list",
		Short:   "List the users of an account",
		Example: "  origami user list --account builders --data-dir ~/origami",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.with(c.Context(), "table", func(s *iam.Service, account origami.AccountID) error {
				all, err := s.Identities(c.Context(), account, origami.KindUser, "")
				if err != nil {
					return err
				}
				rows := make([]listedUser, 0, len(all))
				for _, u := range all {
					keys, err := s.AccessKeys(c.Context(), account, u.Name)
					if err != nil {
						return err
					}
					l := listedUser{u.Name, u.ID, u.ARN(), []string{}, len(keys), u.Created}
					for _, arn := range u.Attached {
						l.Policies = append(l.Policies, arn[strings.LastIndexByte(arn, '/')+1:])
					}
					l.Policies = append(l.Policies, slices.Sorted(maps.Keys(u.Inline))...)
					rows = append(rows, l)
				}
				return printRows(c.OutOrStdout(), p.output, rows, printUsers)
			})
		},
	}, "table")
}

func printUsers(w io.Writer, rows []listedUser) error {
	t := newTable(w, "USER", "POLICIES", "KEYS", "CREATED")
	for _, u := range rows {
		t.row(u.Name, strings.Join(u.Policies, ","), u.Keys, u.Created)
	}
	return t.end()
}

func userDeleteCommand() *cobra.Command {
	var p people
	return p.flags(&cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete a user with its access keys and policies",
		Example: "  origami user delete alice --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.with(c.Context(), "", func(s *iam.Service, account origami.AccountID) error {
				return eraseUser(c.Context(), s, account, args[0])
			})
		},
	}, "")
}

// eraseUser deletes a user and everything that hangs on it.
func eraseUser(ctx context.Context, s *iam.Service, account origami.AccountID, name string) error {
	u, err := s.Identity(ctx, account, origami.KindUser, name)
	if err != nil {
		return err
	}
	keys, err := s.AccessKeys(ctx, account, name)
	if err != nil {
		return err
	}
	groups, err := s.GroupsOf(ctx, account, name)
	if err != nil {
		return err
	}
	var errs []error
	for _, k := range keys {
		errs = append(errs, s.DeleteAccessKey(ctx, account, name, k.ID))
	}
	for _, g := range groups {
		errs = append(errs, s.SetGroup(ctx, account, name, g.Name, false))
	}
	for _, arn := range u.Attached {
		errs = append(errs, s.Detach(ctx, account, origami.KindUser, name, arn))
	}
	for policy := range u.Inline {
		errs = append(errs, s.DeleteInline(ctx, account, origami.KindUser, name, policy))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.DeleteIdentity(ctx, account, origami.KindUser, name)
}

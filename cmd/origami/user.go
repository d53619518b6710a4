package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/iam"
	"origami/internal/localserver"
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

// change has something done about a user of the account.
func (p *people) change(ctx context.Context, text, action string, in localserver.UserRequest, out any) error {
	if err := checkOutput(p.output, text); err != nil {
		return err
	}
	var err error
	if in.Account, err = findAccount(ctx, p.dir, p.account); err != nil {
		return err
	}
	return operate(ctx, p.dir, action, in, out)
}

// newKey is the answer of commands that make an access key.
type newKey localserver.NewKey

// print shows a key, in the words of a shell for people.
func (k newKey) print(c *cobra.Command, output string) error {
	if output == "json" {
		return printJSON(c.OutOrStdout(), k)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "# %s; the secret is not shown again\nexport AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n",
		k.ARN, k.AccessKey, k.Secret)
	return err
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
			in := localserver.UserRequest{Name: args[0]}
			for _, arn := range policies {
				if !strings.Contains(arn, ":") {
					arn = "arn:aws:iam::aws:policy/" + arn
				}
				in.Policies = append(in.Policies, arn)
			}
			var made newKey
			if err := p.change(c.Context(), "text", "CreateUser", in, &made); err != nil {
				return err
			}
			return made.print(c, p.output)
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
			return p.change(c.Context(), "", "DeleteUser", localserver.UserRequest{Name: args[0]}, nil)
		},
	}, "")
}

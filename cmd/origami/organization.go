package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/iam"
	"origami/internal/localserver"
)

func organizationCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "organization",
		Short: "Put accounts into organizations, which images can be shared with",
		Long: `Put accounts into organizations and organizational units, whether the
service runs or not. An image that is shared with the ARN of one can be found and
launched by every account in it, and in the units below it.`,
		Args: cobra.NoArgs,
	}
	c.AddCommand(organizationCreateCommand(), organizationUnitCommand(), organizationAddCommand(),
		organizationRemoveCommand(), organizationDeleteCommand(), organizationListCommand())
	return c
}

// newOrganization is the answer of organization create and create-unit.
type newOrganization localserver.NewOrganization

// printNew prints what was made: its ID and its ARN.
func printNew(w io.Writer, output string, n newOrganization) error {
	if output == "json" {
		return printJSON(w, n)
	}
	_, err := fmt.Fprintf(w, "%s  %s\n", n.ID, n.ARN)
	return err
}

func organizationCreateCommand() *cobra.Command {
	var dir, output string
	c := &cobra.Command{
		Use:     "create ACCOUNT",
		Short:   "Make an organization that an account manages",
		Example: "  origami organization create default --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text"); err != nil {
				return err
			}
			account, err := findAccount(c.Context(), dir, args[0])
			if err != nil {
				return err
			}
			var made newOrganization
			if err := operate(c.Context(), dir, "CreateOrganization", localserver.OrganizationRequest{Account: account}, &made); err != nil {
				return err
			}
			return printNew(c.OutOrStdout(), output, made)
		},
	}
	dataDirFlag(c, &dir)
	outputFlag(c, &output, "text")
	return c
}

func organizationUnitCommand() *cobra.Command {
	var dir, output, parent string
	c := &cobra.Command{
		Use:     "create-unit ORGANIZATION NAME",
		Short:   "Make an organizational unit, at the root or in another unit",
		Example: "  origami organization create-unit o-0123456789 builders --data-dir ~/origami",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text"); err != nil {
				return err
			}
			o, err := origami.ParseOrganizationID(args[0])
			if err != nil {
				return plain(err)
			}
			above, err := parentUnit(parent)
			if err != nil {
				return plain(err)
			}
			var made newOrganization
			in := localserver.OrganizationRequest{Organization: o, Unit: above, Name: args[1]}
			if err := operate(c.Context(), dir, "CreateOrganizationalUnit", in, &made); err != nil {
				return err
			}
			return printNew(c.OutOrStdout(), output, made)
		},
	}
	dataDirFlag(c, &dir)
	outputFlag(c, &output, "text")
	c.Flags().StringVar(&parent, "parent", "", "unit that it is in (default: the root)")
	return c
}

// parentUnit reads a flag that is a unit, or empty.
func parentUnit(s string) (origami.UnitID, error) {
	if s == "" {
		return "", nil
	}
	return origami.ParseUnitID(s)
}

func organizationAddCommand() *cobra.Command {
	var dir, unit string
	c := &cobra.Command{
		Use:     "add ORGANIZATION ACCOUNT",
		Short:   "Put an account into an organization, or move it within",
		Example: "  origami organization add o-0123456789 builders --unit ou-6789-01234567 --data-dir ~/origami",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := origami.ParseOrganizationID(args[0])
			if err != nil {
				return plain(err)
			}
			u, err := parentUnit(unit)
			if err != nil {
				return plain(err)
			}
			account, err := findAccount(c.Context(), dir, args[1])
			if err != nil {
				return err
			}
			return operate(c.Context(), dir, "MoveAccount", localserver.OrganizationRequest{Account: account, Organization: o, Unit: u}, nil)
		},
	}
	dataDirFlag(c, &dir)
	c.Flags().StringVar(&unit, "unit", "", "unit that the account goes to (default: the root)")
	return c
}

func organizationRemoveCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:     "remove ACCOUNT",
		Short:   "Take an account out of its organization",
		Example: "  origami organization remove builders --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			account, err := findAccount(c.Context(), dir, args[0])
			if err != nil {
				return err
			}
			return operate(c.Context(), dir, "RemoveAccount", localserver.OrganizationRequest{Account: account}, nil)
		},
	}
	dataDirFlag(c, &dir)
	return c
}

func organizationDeleteCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete an empty organization or organizational unit",
		Example: "  origami organization delete o-0123456789 --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if id, err := origami.ParseUnitID(args[0]); err == nil {
				return operate(c.Context(), dir, "DeleteOrganizationalUnit", localserver.OrganizationRequest{Unit: id}, nil)
			}
			id, err := origami.ParseOrganizationID(args[0])
			if err != nil {
				return plain(err)
			}
			return operate(c.Context(), dir, "DeleteOrganization", localserver.OrganizationRequest{Organization: id}, nil)
		},
	}
	dataDirFlag(c, &dir)
	return c
}

// listedOrganization is one entry of organization list: an organization, or a
// unit of one.
type listedOrganization struct {
	newOrganization
	Name     string              `json:"name,omitempty"`
	Parent   string              `json:"parent,omitempty"` // what a unit is in
	Accounts []origami.AccountID `json:"accountIds"`
}

func organizationListCommand() *cobra.Command {
	var dir, output string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List organizations, their units, and who is in them",
		Example: "  origami organization list --output json --data-dir ~/origami",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output, "table"); err != nil {
				return err
			}
			return withAccounts(c.Context(), dir, func(s *iam.Service) error {
				all, err := s.Organizations(c.Context())
				if err != nil {
					return err
				}
				rows := []listedOrganization{}
				for _, o := range all {
					rows = append(rows, listOrganization(o)...)
				}
				return printRows(c.OutOrStdout(), output, rows, printOrganizations)
			})
		},
	}
	dataDirFlag(c, &dir)
	outputFlag(c, &output, "table")
	return c
}

func printOrganizations(w io.Writer, rows []listedOrganization) error {
	t := newTable(w, "ID", "NAME", "IN", "ACCOUNTS", "ARN")
	for _, r := range rows {
		t.row(r.ID, r.Name, r.Parent, joinIDs(r.Accounts), r.ARN)
	}
	return t.end()
}

func listOrganization(o iam.OrganizationTree) []listedOrganization {
	in := func(unit origami.UnitID) []origami.AccountID {
		out := []origami.AccountID{}
		for _, m := range o.Members {
			if m.Unit == unit {
				out = append(out, m.Account)
			}
		}
		return out
	}
	rows := []listedOrganization{{newOrganization: newOrganization{string(o.ID), o.ARN()}, Accounts: in("")}}
	for _, u := range o.Units {
		parent := string(u.Parent)
		if parent == "" {
			parent = string(o.ID)
		}
		rows = append(rows, listedOrganization{newOrganization{string(u.ID), o.UnitARN(u.ID)}, u.Name, parent, in(u.ID)})
	}
	return rows
}

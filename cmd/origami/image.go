package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/ami"
	"origami/internal/ebs"
	"origami/internal/iam"
	"origami/internal/kms"
	"origami/internal/metadb"
)

func imageCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "image",
		Short: "Look into one image",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(imageExplainCommand())
	return c
}

func imageExplainCommand() *cobra.Command {
	var t target
	var accounts []string
	c := &cobra.Command{
		Use:   "explain IMAGE",
		Short: "Who can use an image, and why not",
		Long: `Tell for each account whether it finds an image in lists, may launch it, and may
copy it, and why not. The answers are those of the API itself; the reasons are
what the API does not tell the accounts. IMAGE is an ID, or a name that no other
image in the region has.`,
		Example: "  origami image explain ami-0123456789abcdef0 --data-dir ~/origami\n  origami image explain golden --account builders --output json --data-dir ~/origami",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return list(c.Context(), &t, c.OutOrStdout(), func(v *view) ([]accessRow, error) {
				return v.explain(c.Context(), args[0], accounts)
			}, printAccess)
		},
	}
	dataDirFlag(c, &t.dir)
	c.Flags().StringVar(&t.region, "region", "", "region (default: the first of the installation)")
	c.Flags().StringSliceVar(&accounts, "account", nil, "names or numbers of accounts (default: all)")
	outputFlag(c, &t.output, "table")
	t.account = defaultAccount
	c.ValidArgsFunction = t.completeImages
	return c
}

// accessRow is what an account may do with an image.
type accessRow struct {
	Name string `json:"accountName"`
	ami.Access
}

// explain asks what accounts may do with the image that a word means.
func (v *view) explain(ctx context.Context, word string, words []string) ([]accessRow, error) {
	rows := []accessRow{}
	err := v.db.View(ctx, func(tx *metadb.Tx) error {
		id, err := v.anyImage(tx, word)
		if err != nil {
			return err
		}
		all, err := tx.Accounts()
		if err != nil {
			return err
		}
		ids, names, err := someAccounts(all, words)
		if err != nil {
			return err
		}
		keys := ebs.Keys{DB: v.db, KMS: kms.NewJudge(v.db, decide(iam.New(v.db)))}
		found, err := ami.Explain(tx, time.Now(), keys, v.who.Region, id, ids)
		for n, a := range found {
			rows = append(rows, accessRow{names[n], a})
		}
		return err
	})
	return rows, err
}

// anyImage finds the image of any account that a word means.
func (v *view) anyImage(tx *metadb.Tx, word string) (origami.ImageID, error) {
	if id, err := origami.ParseImageID(word); err == nil {
		return id, nil
	}
	var all []candidate
	name := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(word)
	q := metadb.Query{Region: v.who.Region, Viewer: metadb.System, Filters: []origami.Filter{{Name: "name", Values: []string{name}}}}
	for img, err := range tx.Images(q) {
		if err != nil {
			return "", err
		}
		all = append(all, candidate{id: string(img.ID), names: []string{img.Name}})
	}
	id, err := choose("image", word, all)
	return origami.ImageID(id), err
}

// someAccounts finds the accounts that words mean; no words mean all.
func someAccounts(all []*origami.Account, words []string) (ids []origami.AccountID, names []string, err error) {
	add := func(a *origami.Account) { ids, names = append(ids, a.ID), append(names, a.Name) }
	if len(words) == 0 {
		for _, a := range all {
			add(a)
		}
	}
	for _, w := range words {
		n := slices.IndexFunc(all, func(a *origami.Account) bool { return string(a.ID) == w || a.Name == w })
		if n < 0 {
			return nil, nil, noAccount(w)
		}
		add(all[n])
	}
	return ids, names, nil
}

func printAccess(w io.Writer, rows []accessRow) error {
	t := newTable(w, "ACCOUNT", "NAME", "TO", "MAY", "WHY")
	for _, r := range rows {
		for _, line := range []struct {
			verb string
			ami.Verdict
		}{{"discover", r.Discover}, {"launch", r.Launch}, {"copy", r.Copy}} {
			may, why := "yes", line.Reason
			if !line.Allowed {
				may = "no"
				if line.Code != "" {
					why += " (" + string(line.Code) + ")"
				}
			}
			t.row(r.Account, r.Name, line.verb, may, why)
		}
	}
	return t.end()
}

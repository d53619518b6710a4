package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/iam"
	"origami/internal/metadb"
)

// The settings in which the service leaves word of itself.
const (
	settingEndpoint = "endpoint" // URL
	settingRegions  = "regions"  // separated by commas
	settingAudit    = "audit"    // path of the audit log, "" for none
)

// defaultAccount is the name of the account that the first start makes.
const defaultAccount = "default"

// environment is what a client needs.
type environment struct {
	Endpoint  string            `json:"endpointUrl"`
	Region    origami.Region    `json:"region"`
	Account   origami.AccountID `json:"accountId"`
	AccessKey string            `json:"accessKeyId"`
	Secret    string            `json:"secretAccessKey"`
}

// shell writes the environment as commands for a POSIX shell.
func (e environment) shell(w io.Writer) {
	for _, v := range [][2]string{
		{"AWS_ENDPOINT_URL", e.Endpoint},
		{"AWS_ACCESS_KEY_ID", e.AccessKey},
		{"AWS_SECRET_ACCESS_KEY", e.Secret},
		{"AWS_DEFAULT_REGION", string(e.Region)},
		{"AWS_REGION", string(e.Region)},
	} {
		fmt.Fprintf(w, "export %s=%s\n", v[0], quote(v[1]))
	}
	fmt.Fprintln(w, "unset AWS_SESSION_TOKEN AWS_PROFILE")
}

// quote makes a word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func envCommand() *cobra.Command {
	var dir, account, region, output string
	c := &cobra.Command{
		Use:   "env",
		Short: "Print what to export so that AWS clients use this installation",
		Example: `  eval "$(origami env --data-dir ~/origami)"
  origami env --data-dir ~/origami --account builders --region eu-west-1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text"); err != nil {
				return err
			}
			d, err := absolute(dir)
			if err != nil {
				return err
			}
			e, err := d.environment(c.Context(), account, origami.Region(region))
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(c.OutOrStdout(), e)
			}
			e.shell(c.OutOrStdout())
			return nil
		},
	}
	dataDirFlag(c, &dir)
	c.Flags().StringVar(&account, "account", defaultAccount, "name or number of the account")
	c.Flags().StringVar(&region, "region", "", "region (default: the first of the installation)")
	outputFlag(c, &output, "text")
	return c
}

// environment reads what a client of an account needs.
func (d dataDir) environment(ctx context.Context, account string, region origami.Region) (environment, error) {
	db, err := d.openDatabase(ctx)
	if err != nil {
		return environment{}, err
	}
	defer db.Close()
	e := environment{Region: region}
	var regions []string
	err = db.View(ctx, func(tx *metadb.Tx) error {
		url, err := tx.Setting(settingEndpoint)
		if errors.Is(err, metadb.ErrNotFound) {
			return fmt.Errorf("the service was never started on %s; run: origami serve --data-dir %s", d, d)
		}
		if err != nil {
			return err
		}
		list, err := tx.Setting(settingRegions)
		if err != nil {
			return err
		}
		e.Endpoint, regions = string(url), strings.Split(string(list), ",")
		return nil
	})
	if err != nil {
		return e, err
	}
	if e.Region == "" {
		e.Region = origami.Region(regions[0])
	}
	if !slices.Contains(regions, string(e.Region)) {
		return e, fmt.Errorf("the installation has no region %q; it has %s", e.Region, strings.Join(regions, ", "))
	}
	key, err := firstKey(ctx, iam.New(db), account)
	if err != nil {
		return e, err
	}
	e.Account, e.AccessKey, e.Secret = key.Account, key.ID, key.Secret
	return e, nil
}

// firstKey finds the oldest access key of an account by its name or number.
func firstKey(ctx context.Context, accounts *iam.Service, which string) (origami.AccessKey, error) {
	all, err := accounts.Accounts(ctx)
	if err != nil {
		return origami.AccessKey{}, err
	}
	for _, a := range all {
		if a.Name != which && string(a.ID) != which {
			continue
		}
		keys, err := accounts.AccessKeys(ctx, a.ID, "")
		if err != nil {
			return origami.AccessKey{}, err
		}
		if len(keys) == 0 {
			return origami.AccessKey{}, fmt.Errorf("account %s has no access key", which)
		}
		return keys[0], nil
	}
	return origami.AccessKey{}, noAccount(which)
}

// outputFlag adds the flag that chooses between text for people and JSON for
// scripts.
func outputFlag(c *cobra.Command, output *string, text string) {
	c.Flags().StringVar(output, "output", text, text+" or json")
}

func checkOutput(output, text string) error {
	if output != text && output != "json" {
		return fmt.Errorf("unknown --output %q: it is %s or json", output, text)
	}
	return nil
}

// printJSON writes one indented document.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

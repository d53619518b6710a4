package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"origami/internal/keywrap"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/localserver"
	"origami/internal/metadb"
)

func rootKeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "root-key",
		Short: "Show and change the key that all keys are under",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(rootKeyStatusCommand(), rootKeyRotateCommand())
	return c
}

// rootKeyStatus is the answer of root-key status.
type rootKeyStatus struct {
	namedRoot
	Keys      int         `json:"keys"`      // of KMS, in all regions
	Materials int         `json:"materials"` // sealed under it
	NotNeeded []namedRoot `json:"notNeeded"`
}

func rootKeyStatusCommand() *cobra.Command {
	var dir, output string
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show the root key in use, and those in the data directory that are no longer needed",
		Example: "  origami root-key status --data-dir ~/origami --output json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text"); err != nil {
				return err
			}
			d, err := absolute(dir)
			if err != nil {
				return err
			}
			s, err := d.rootKeyStatus(c.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(c.OutOrStdout(), s)
			}
			return s.print(c.OutOrStdout())
		},
	}
	dataDirFlag(c, &dir)
	outputFlag(c, &output, "text")
	return c
}

// rootKeyStatus looks at the root key of an installation.
func (d dataDir) rootKeyStatus(ctx context.Context) (*rootKeyStatus, error) {
	db, err := d.openDatabase(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	s := &rootKeyStatus{}
	if s.Name, err = rootInUse(ctx, d, db); err != nil {
		return nil, err
	}
	s.Keys, s.Materials, err = kms.Sealed(ctx, db)
	if err != nil {
		return nil, err
	}
	for _, path := range []string{d.rootFile(""), d.rootFile(strings.TrimPrefix(s.Name, keyfile.NamePrefix))} {
		if name, err := rootFileName(ctx, path); err == nil && name == s.Name {
			s.File = path
			break
		}
	}
	s.NotNeeded = append([]namedRoot{}, new(rootKeys).notNeeded(ctx, d, s.Name)...)
	return s, nil
}

// rootInUse is the name of the root key that the keys are under.
func rootInUse(ctx context.Context, d dataDir, db *metadb.DB) (string, error) {
	name, err := kms.RootName(ctx, db)
	if err == nil && name == "" {
		err = fmt.Errorf("%s has no keys yet; the service makes them when it starts: origami serve --data-dir %s", d, quoteIfNeeded(string(d)))
	}
	return name, err
}

func (s *rootKeyStatus) print(w io.Writer) error {
	t := newTable(w, "ROOT KEY", "FILE", "STATE")
	t.row(s.Name, s.File, fmt.Sprintf("in use, for %d materials of %d keys", s.Materials, s.Keys))
	for _, k := range s.NotNeeded {
		t.row(k.Name, k.File, "no longer needed")
	}
	return t.end()
}

// rotated is the answer of root-key rotate.
type rotated struct {
	kms.Rewrapped
	Changed   bool        `json:"changed"`             // false if the keys were there already
	File      string      `json:"file,omitempty"`      // of the root key in use now
	Flag      string      `json:"rootKeyFlag"`         // what serve needs from now on, "" for nothing
	NotNeeded []namedRoot `json:"notNeeded,omitempty"` // root keys that can be destroyed
}

func rootKeyRotateCommand() *cobra.Command {
	var r rotation
	var dir, output string
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Put all keys under another root key",
		Long: `Put all keys under another root key: a new one in the data directory, a file
elsewhere, a key of a KMS or of a Vault. What the root key protects is sealed anew,
in one transaction. The service may run, and goes on; if it does not, the root key
that is in use must be in reach, as for serve.

The key that was in use is not destroyed. Until it is, a backup of the database
from before can be restored with it.`,
		Example: `  origami root-key rotate --data-dir ~/origami
  origami root-key rotate --to https://vault.example.com/v1/transit/keys/origami --data-dir ~/origami
  origami root-key rotate --to new-file --root-key arn:aws:kms:eu-central-1:111122223333:key/… --data-dir ~/origami`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text"); err != nil {
				return err
			}
			if err := r.from.check(); err != nil {
				return err
			}
			var err error
			if r.dir, err = absolute(dir); err != nil {
				return err
			}
			if output == "text" {
				r.say = func(text string) { fmt.Fprintln(c.ErrOrStderr(), text) }
			}
			done, err := r.run(c.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(c.OutOrStdout(), done)
			}
			return done.print(c.OutOrStdout(), r.dir)
		},
	}
	dataDirFlag(c, &dir)
	c.Flags().StringVar(&r.to, "to", "", "root key to go to, in the words of --root-key; new-file makes one in root.key in the data directory\n(default: new-file, if the one in use is there)")
	r.from.flags(c)
	outputFlag(c, &output, "text")
	return c
}

// newFile asks for a new root key in the data directory.
const newFile = "new-file"

// rotation puts an installation under another root key.
type rotation struct {
	dir  dataDir
	to   string
	from rootKeys     // of an installation whose service does not run
	say  func(string) // tells how far it is; nil for nobody

	// at, of tests, is called before each step; an error ends the rotation as
	// the death of the process would.
	at func(step string) error
}

// step begins a step.
func (r *rotation) step(name, text string) error {
	if r.say != nil {
		r.say(text)
	}
	if r.at != nil {
		return r.at(name)
	}
	return nil
}

// run rotates. Whatever happens on the way, the keys are under one root or under
// the other, and a service that is given both starts.
func (r *rotation) run(ctx context.Context) (*rotated, error) {
	if err := r.dir.mine(); err != nil {
		return nil, err
	}
	db, err := r.dir.openDatabase(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	done := &rotated{}
	if done.From, err = rootInUse(ctx, r.dir, db); err != nil {
		return nil, err
	}
	root, made, err := r.target(ctx, done.From)
	if err != nil {
		return nil, err
	}
	if done.To, err = root.Name(ctx); err != nil && !errors.Is(err, keywrap.ErrNoRoot) {
		return nil, err
	}
	if done.To != done.From {
		if done.Rewrapped, err = r.rewrap(ctx, done.From, root, made); err != nil {
			return nil, err
		}
		done.Changed = true
	}
	if err := r.step("settle", "Putting the files of root keys in their places"); err != nil {
		return nil, err
	}
	if _, err := r.dir.settleRootKey(ctx, done.To, true); err != nil {
		return nil, fmt.Errorf("all keys are under %s now, but its file did not get its name; the next start of the service sees to that: %w", done.To, err)
	}
	r.report(ctx, done)
	return done, nil
}

// target opens the root key to go to, and makes its file if it is to be new.
func (r *rotation) target(ctx context.Context, from string) (root keywrap.Root, made string, err error) {
	to := r.to
	if to == "" {
		digits, isFile := strings.CutPrefix(from, keyfile.NamePrefix)
		for _, path := range []string{r.dir.rootFile(""), r.dir.rootFile(digits)} {
			if name, err := rootFileName(ctx, path); isFile && err == nil && name == from {
				to = newFile
			}
		}
		if to == "" {
			return nil, "", fmt.Errorf("the root key in use, %s, is not in the data directory; say where to go: --to new-file, or another root key", from)
		}
	}
	if to == newFile {
		if err := r.step("make", "Making a root key in "+string(r.dir)); err != nil {
			return nil, "", err
		}
		return second(keyfile.Create(string(r.dir), "root.key."))
	}
	next := rootKeys{given: []string{to}, endpoint: r.from.endpoint}
	if err := next.check(); err != nil {
		return nil, "", fmt.Errorf("--to: %w", errors.New(strings.TrimPrefix(err.Error(), "--root-key: ")))
	}
	r.to = next.given[0]
	root, err = next.root(r.to)
	return root, "", err
}

// second makes a root of one in a file.
func second(r *keyfile.Root, path string, err error) (keywrap.Root, string, error) {
	return r, path, err
}

// rewrap makes a master key under the new root and has all keys sealed with it.
func (r *rotation) rewrap(ctx context.Context, from string, root keywrap.Root, made string) (kms.Rewrapped, error) {
	if err := r.step("wrap", "Wrapping a new master key"); err != nil {
		return kms.Rewrapped{}, err
	}
	master, err := kms.NewMaster(ctx, root)
	if err != nil {
		if made != "" {
			err = errors.Join(err, os.Remove(made)) // nothing is under it
		}
		return kms.Rewrapped{}, fmt.Errorf("nothing was changed: %w", err)
	}
	if err := r.step("rewrap", "Sealing all keys anew, under "+master.Root); err != nil {
		return kms.Rewrapped{}, err
	}
	o := operator{dir: r.dir, keys: func(ctx context.Context, db *metadb.DB) (*kms.Service, error) {
		old, err := r.from.open(ctx, r.dir, db)
		if err != nil {
			return nil, err
		}
		s, err := kms.New(ctx, kms.Config{DB: db, Root: old})
		if err != nil {
			return nil, adviseRoot(err)
		}
		return s, nil
	}}
	var done kms.Rewrapped
	err = o.do(ctx, "RotateRootKey", localserver.RootKeyRequest{From: from, Master: master}, &done)
	if err != nil {
		return done, fmt.Errorf("%w\nSee which root key is in use, and repeat this: %s root-key status --data-dir %s",
			err, quoteIfNeeded(program()), quoteIfNeeded(string(r.dir)))
	}
	return done, nil
}

// report says where the keys are now and what is not needed.
func (r *rotation) report(ctx context.Context, done *rotated) {
	if name, err := rootFileName(ctx, r.dir.rootFile("")); err == nil && name == done.To {
		done.File = r.dir.rootFile("")
	} else {
		done.Flag = r.to
		if path, ok := strings.CutPrefix(r.to, keyfile.NamePrefix); ok {
			done.File = path
		}
		if r.from.endpoint != "" && strings.HasPrefix(r.to, "arn:") && !strings.Contains(r.to, "@") {
			done.Flag += "@" + r.from.endpoint
		}
	}
	done.NotNeeded = r.from.notNeeded(ctx, r.dir, done.To)
	for _, k := range done.NotNeeded {
		if k.Name == done.From {
			return
		}
	}
	if done.From != done.To {
		done.NotNeeded = append(done.NotNeeded, namedRoot{Name: done.From})
	}
}

// print says what was done, and what to do next.
func (d *rotated) print(w io.Writer, dir dataDir) error {
	var b strings.Builder
	if d.Changed {
		fmt.Fprintf(&b, "All keys are under %s now: %d materials of %d keys were sealed anew.\n", d.To, d.Materials, d.Keys)
	} else {
		fmt.Fprintf(&b, "All keys are under %s already.\n", d.To)
	}
	if d.File != "" {
		fmt.Fprintf(&b, "Keep a copy of %s apart from the copies of the rest.\n", d.File)
	}
	if d.Flag != "" {
		fmt.Fprintf(&b, "From now on start the service with: origami serve --data-dir %s --root-key %s\n", quoteIfNeeded(string(dir)), quoteIfNeeded(d.Flag))
	} else {
		fmt.Fprintf(&b, "From now on the service needs no --root-key.\n")
	}
	for _, k := range d.NotNeeded {
		where := k.Name
		if k.File != "" {
			where += " in " + k.File
		}
		fmt.Fprintf(&b, "No longer needed: %s. Destroy it when you need no backup of the database from before.\n", where)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

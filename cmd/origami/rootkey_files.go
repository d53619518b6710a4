package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"origami/internal/keywrap"
	"origami/internal/keywrap/keyfile"
)

// namedRoot is a root key, and its file if it has one.
type namedRoot struct {
	Name string `json:"rootKey"`
	File string `json:"file,omitempty"`
}

// rootFileName is the name of the root key in a file, "" if there is no file.
func rootFileName(ctx context.Context, path string) (string, error) {
	root, err := keyfile.Open(path)
	if err != nil {
		return "", err
	}
	name, err := root.Name(ctx)
	if errors.Is(err, keywrap.ErrNoRoot) {
		return "", nil
	}
	return name, err
}

// settleRootKey gives the file of the root key that is in use its name. What
// has that name then gets one of its own, which is the result if it is moved.
// That also happens to the file where a key elsewhere is in use, if aside says
// so. A process that ends in between has lost nothing: both names are looked at.
func (d dataDir) settleRootKey(ctx context.Context, inUse string, aside bool) (moved string, err error) {
	place := d.rootFile("")
	waiting := ""
	digits, isFile := strings.CutPrefix(inUse, keyfile.NamePrefix)
	if isFile {
		waiting, err = rootFileName(ctx, d.rootFile(digits))
	}
	if err != nil || waiting != inUse && !aside {
		return "", err
	}
	name, err := rootFileName(ctx, place)
	if err != nil || name == inUse {
		return "", err
	}
	if name != "" {
		moved = d.rootFile(strings.TrimPrefix(name, keyfile.NamePrefix))
		if err := rename(place, moved); err != nil {
			return "", err
		}
	}
	if waiting == inUse {
		if err := rename(d.rootFile(digits), place); err != nil {
			return "", err
		}
	}
	return moved, syncDirectory(string(d))
}

// rename renames a file, unless another process did.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// notNeeded lists root keys that are given, or in the data directory, and not in
// use. A file that cannot be read is none.
func (k *rootKeys) notNeeded(ctx context.Context, d dataDir, inUse string) []namedRoot {
	var out []namedRoot
	seen := map[string]bool{}
	add := func(word string) {
		root, err := k.root(word)
		if err != nil {
			return
		}
		path, _ := strings.CutPrefix(word, keyfile.NamePrefix)
		if path == word {
			path = ""
		}
		if name, err := root.Name(ctx); err == nil && name != inUse && !seen[name+path] {
			seen[name+path] = true
			out = append(out, namedRoot{name, path})
		}
	}
	for _, word := range k.given {
		add(word)
	}
	files, err := filepath.Glob(d.rootFile("") + "*")
	if err != nil {
		return out // only of a pattern that is none
	}
	for _, path := range files {
		add(keyfile.NamePrefix + path)
	}
	return out
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestMan(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "man1")
	c := newCommand()
	c.SetArgs([]string{"man", dir})
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	var pages func(c *cobra.Command, name string)
	pages = func(c *cobra.Command, name string) {
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil || !bytes.Contains(page, []byte(".SH SYNOPSIS")) {
			t.Errorf("the page of %s: %v", name, err)
		}
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				pages(sub, name+"-"+sub.Name())
			}
		}
	}
	pages(newCommand(), "origami")
}

// TestHelp wants a line about every command, and an example of each that does
// something.
func TestHelp(t *testing.T) {
	t.Parallel()
	var check func(*cobra.Command)
	check = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
		if !c.HasSubCommands() && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s has no example of itself: %q", c.CommandPath(), c.Example)
		}
		for _, below := range c.Commands() {
			check(below)
		}
	}
	check(newCommand())
}

// TestCompletion completes as a shell would ask.
func TestCompletion(t *testing.T) {
	t.Parallel()
	n := install(t)
	image, snapshot := n.importDisk("base", random(11, 1<<20))
	id := n.launch(image, "web")
	tests := []struct {
		words []string
		want  []string
	}{
		{[]string{"console", ""}, []string{id, "web"}},
		{[]string{"ssh", ""}, []string{id, "web"}},
		{[]string{"mount", ""}, []string{image, "base", snapshot}},
		{[]string{"image", "explain", ""}, []string{image, "base"}},
		{[]string{"usage", "--delete", ""}, []string{image, "base", snapshot}},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		c := newCommand()
		c.SetOut(&out)
		c.SetErr(&bytes.Buffer{})
		last := len(tt.words) - 1
		args := append([]string{"__complete"}, tt.words[:last]...)
		c.SetArgs(append(args, "--data-dir", n.dir, tt.words[last]))
		if err := c.Execute(); err != nil {
			t.Fatal(err)
		}
		for _, w := range tt.want {
			if !strings.Contains("\n"+out.String(), "\n"+w+"\t") {
				t.Errorf("completions of %q = %q, want %s", tt.words, out.String(), w)
			}
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var out bytes.Buffer
		c := newCommand()
		c.SetOut(&out)
		c.SetArgs([]string{"completion", shell})
		if err := c.Execute(); err != nil || out.Len() == 0 {
			t.Errorf("completion %s: %d bytes, %v", shell, out.Len(), err)
		}
	}
}

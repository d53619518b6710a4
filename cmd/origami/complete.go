package main

import (
	"github.com/spf13/cobra"

	"origami"
)

// The functions here complete the words of commands. What goes wrong there
// completes nothing: a shell has nowhere to show it.

const noFiles = cobra.ShellCompDirectiveNoFileComp

func (t *target) completeInstances(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	v, err := t.open(c.Context())
	if err != nil {
		return nil, noFiles
	}
	defer v.close()
	rows, err := v.instances(c.Context(), nil, false)
	if err != nil {
		return nil, noFiles
	}
	var words []cobra.Completion
	for _, r := range rows {
		words = append(words, cobra.CompletionWithDesc(string(r.ID), cell(r.Name)+", "+string(r.State)))
		if r.Name != "" {
			words = append(words, cobra.CompletionWithDesc(cell(r.Name), string(r.ID)))
		}
	}
	return words, noFiles
}

func (t *target) completeSnapshots(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return t.completeStored(c)
}

func (t *target) completeImages(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	images, _ := t.stored(c)
	return completions(images), noFiles
}

// completeStored completes images and snapshots.
func (t *target) completeStored(c *cobra.Command) ([]cobra.Completion, cobra.ShellCompDirective) {
	images, snapshots := t.stored(c)
	return completions(append(images, snapshots...)), noFiles
}

// stored finds the account's images and snapshots.
func (t *target) stored(c *cobra.Command) (images, snapshots []candidate) {
	v, err := t.open(c.Context())
	if err != nil {
		return nil, nil
	}
	defer v.close()
	if images, snapshots, err = v.stored(c.Context()); err != nil {
		return nil, nil
	}
	return images, snapshots
}

// completions are the IDs and names of candidates.
func completions(all []candidate) []cobra.Completion {
	var words []cobra.Completion
	for _, c := range all {
		kind := origami.ResourceType(c.id)
		words = append(words, cobra.CompletionWithDesc(c.id, kind))
		for _, name := range c.names {
			if name != "" {
				words = append(words, cobra.CompletionWithDesc(cell(name), kind+" "+c.id))
			}
		}
	}
	return words
}

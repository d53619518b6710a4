package imds

import (
	"maps"
	"slices"
	"strings"
)

const latest = "latest"

// versions are the names of the tree, as listed at "/".
var versions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01",
	"2008-09-01", "2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05",
	"2015-10-20", "2016-04-19", "2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24",
	"2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15", "2022-09-24", latest,
}

func isVersion(s string) bool { return slices.Contains(versions, s) }

// node is a place in the tree: a directory if it has entries, else a text.
type node struct {
	text    string
	entries map[string]*node
	// list replaces the list of names that a directory would answer with.
	list string
}

// put sets the text at a path, whose directories it makes.
func (n *node) put(text string, path ...string) { n.at(path...).text = text }

// putSome is put for texts that may be empty, which then have no entry.
func (n *node) putSome(text string, path ...string) {
	if text != "" {
		n.put(text, path...)
	}
}

// at returns the node at a path, and makes it if need be.
func (n *node) at(path ...string) *node {
	for _, name := range path {
		if n.entries == nil {
			n.entries = make(map[string]*node)
		}
		if n.entries[name] == nil {
			n.entries[name] = new(node)
		}
		n = n.entries[name]
	}
	return n
}

// find returns the node at a path, or nil.
func (n *node) find(path []string) *node {
	for _, name := range path {
		if n = n.entries[name]; n == nil {
			return nil
		}
	}
	return n
}

// String is what the service answers: the text, or the names below, one a line.
func (n *node) String() string {
	if n.entries == nil {
		return n.text
	}
	if n.list != "" {
		return n.list
	}
	names := slices.Sorted(maps.Keys(n.entries))
	for i, name := range names {
		if n.entries[name].entries != nil {
			names[i] = name + "/"
		}
	}
	return strings.Join(names, "\n")
}

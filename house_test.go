package origami_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path of this module, until it has a public home.
const module = "origami"

// house lists the rooms floor by floor, from the ground up. A room may import
// rooms on lower floors and nothing else of this module; docs/architecture.md
// says what each is for.
//
// Do not move a room to make a build pass; ask first why it has to look up.
var house = []string{
	// 0 ground: nouns, contracts, codecs.
	`. disk nbd internal/objstore internal/vmm internal/vmm/qemu/qmp internal/durable
	 internal/sigv4 internal/awsquery internal/sdktest internal/sockettest internal/suitetest internal/policy internal/keywrap internal/awsjson internal/optional`,
	// 1 stores and drivers, and the suites that their contracts ask of them.
	`disk/raw disk/qcow2 disk/disktest internal/durable/durabletest
	 internal/objstore/dir internal/objstore/objstoretest
	 internal/vmm/qemu internal/vmm/none internal/vmm/vmmtest internal/vnet
	 internal/blockstore internal/overlay internal/metadb internal/restjson internal/queryapi internal/ec2api internal/ec2api/gen
	 internal/keywrap/keyfile internal/keywrap/remote internal/keywrap/vault/vaulttest internal/keywrap/keywraptest`,
	// 2 engines.
	`disk/format internal/task internal/iam internal/firewall internal/rbin internal/kms internal/blockstore/blockstoretest
	 internal/keywrap/awskms internal/keywrap/vault`,
	// 3 to 5 concepts: the verbs of EBS and of networks, then of AMIs, then
	// what uses them.
	`internal/ebs internal/vpc`,
	`internal/ami`,
	`internal/instance internal/vmie`,
	// 6 doors: one protocol each; and the region in a temporary directory that the
	// tests of the concepts share.
	`internal/endpoint internal/ec2server internal/ebsserver internal/rbinserver internal/stsserver internal/iamserver internal/kmsserver internal/localserver internal/imds
	 internal/instance/instancetest`,
	// 7 roof: the program, and the tools of the build.
	`cmd/origami internal/bench internal/coverage internal/testreport`,
}

// owners names the rooms that alone may import a package, given by the
// beginning of its path: SQL lives in one room, and so do the network stack and
// the starting of processes.
var owners = map[string]string{
	"database/sql":                        "internal/metadb",
	"modernc.org/sqlite":                  "internal/metadb",
	"github.com/jackc/pgx":                "internal/metadb",
	"gvisor.dev/gvisor":                   "internal/vnet",
	"github.com/containers/gvisor-tap-":   "",
	"os/exec":                             "internal/vmm/qemu cmd/origami internal/bench internal/testreport internal/suitetest",
	"github.com/spf13/cobra":              "cmd/origami",
	"github.com/vbauerster/mpb":           "cmd/origami",
	"github.com/aws/aws-sdk-go-v2":        "",
	"unsafe":                              "",
	"plugin":                              "",
	"github.com/rogpeppe/go-internal":     "",
	"pgregory.net/rapid":                  "",
	"github.com/google/go-cmp":            "internal/blockstore/blockstoretest",
	"github.com/stretchr/testify":         "",
	"github.com/riverqueue/river":         "internal/task",
	"github.com/prometheus/client_golang": "internal/endpoint cmd/origami",
}

// Limits of length, in lines, for files and functions that people wrote.
const (
	maxFile     = 700
	maxFunction = 80
)

// names that say nothing about what is inside
var emptyNames = strings.Fields("util utils common helper helpers misc types manager shared base lib")

// words that mark unfinished work
var unfinished = strings.Fields("TODO FIXME XXX HACK")

// source is one Go file of the module.
type source struct {
	name string // "disk/raw/reader.go"
	room string // "disk/raw"
	fset *token.FileSet
	file *ast.File
}

func (s *source) test() bool      { return strings.HasSuffix(s.name, "_test.go") }
func (s *source) generated() bool { return strings.HasSuffix(s.name, "_gen.go") }
func (s *source) lines() int      { return s.fset.File(s.file.Pos()).LineCount() }

// imports returns the paths that the file imports.
func (s *source) imports() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// sources parses every Go file of the module. It does not ask the go command,
// whose answers the test cache would not know to be stale.
func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") && name != "."
			if hidden || d.Name() == "testdata" || name == "build" || name == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, &source{name, path.Dir(name), fset, file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// floors returns the floor of each room.
func floors() map[string]int {
	floor := make(map[string]int)
	for i, rooms := range house {
		for _, room := range strings.Fields(rooms) {
			floor[room] = i
		}
	}
	return floor
}

func TestHouse(t *testing.T) {
	t.Parallel()
	floor := floors()
	built := make(map[string]bool)
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		built[s.room] = true
		f, ok := floor[s.room]
		if !ok {
			t.Errorf("%s: package %s is on no floor of the house", s.name, s.room)
			continue
		}
		for _, imp := range s.imports() {
			below, ours := strings.CutPrefix(imp+"/", module+"/")
			if !ours {
				continue
			}
			below = path.Clean("./" + below)
			if g, ok := floor[below]; !ok || g >= f {
				t.Errorf("%s: %s on floor %d imports %s on floor %d", s.name, s.room, f, below, g)
			}
		}
	}
	for room := range floor {
		if !built[room] {
			t.Errorf("the house names %s, which does not exist", room)
		}
	}
}

func TestOwners(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		for _, imp := range s.imports() {
			for beginning, rooms := range owners {
				if strings.HasPrefix(imp, beginning) && !slices.Contains(strings.Fields(rooms), s.room) {
					t.Errorf("%s: imports %s, which is for %q only", s.name, imp, rooms)
				}
			}
		}
	}
}

func TestPackages(t *testing.T) {
	t.Parallel()
	documented, tested := make(map[string]bool), make(map[string]bool)
	rooms := make(map[string]bool)
	for _, s := range sources(t) {
		if slices.Contains(emptyNames, path.Base(s.room)) || slices.Contains(emptyNames, s.file.Name.Name) {
			t.Errorf("%s: package %s has a name that says nothing", s.name, s.file.Name.Name)
		}
		if s.test() {
			tested[s.room] = true
			continue
		}
		rooms[s.room] = true
		if doc := s.file.Doc.Text(); doc != "" {
			if documented[s.room] {
				t.Errorf("%s: a second package comment", s.name)
			}
			if !beginsWell(s, doc) {
				t.Errorf("%s: the package comment does not begin with the name of the package or the command", s.name)
			}
			documented[s.room] = true
		}
	}
	for room := range rooms {
		if !documented[room] {
			t.Errorf("%s: no package comment", room)
		}
		if !tested[room] && !contractOnly[room] && !strings.HasSuffix(room, "test") {
			t.Errorf("%s: no test", room)
		}
	}
}

// beginsWell says whether doc begins as go doc wants it: "Package p" or, of a
// program p, "P" or "Command p".
func beginsWell(s *source, doc string) bool {
	name := path.Base(s.room)
	if s.file.Name.Name != "main" {
		return strings.HasPrefix(doc, "Package "+s.file.Name.Name+" ")
	}
	return strings.HasPrefix(doc, "Command "+name+" ") || strings.HasPrefix(doc, strings.ToUpper(name[:1])+name[1:]+" ")
}

// contractOnly are rooms that declare and do nothing; the suites beside them,
// in rooms whose names end in "test", are their tests.
var contractOnly = map[string]bool{
	"internal/objstore": true,
	"internal/vmm":      true,
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if base := strings.TrimSuffix(path.Base(s.name), ".go"); base != "types" && slices.Contains(emptyNames, base) {
			t.Errorf("%s: a file name that says nothing", s.name)
		}
		if marked := ast.IsGenerated(s.file); marked != s.generated() {
			t.Errorf("%s: generated files are named _gen.go and say so in their first line", s.name)
		}
		if s.generated() {
			continue
		}
		if n := s.lines(); n > maxFile {
			t.Errorf("%s: %d lines; one idea a file, %d lines at most", s.name, n, maxFile)
		}
		for _, group := range s.file.Comments {
			for _, word := range unfinished {
				if strings.Contains(group.Text(), word) {
					t.Errorf("%s: a comment says %s", s.fset.Position(group.Pos()), word)
				}
			}
		}
		functions(t, s)
	}
}

// functions checks the functions of one file.
func functions(t *testing.T, s *source) {
	for _, decl := range s.file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		at := s.fset.Position(fn.Pos())
		if fn.Name.Name == "init" && fn.Recv == nil {
			t.Errorf("%s: an init function; list things in one visible table", at)
		}
		// tables of tests may be longer
		if n := s.fset.Position(fn.End()).Line - at.Line + 1; n > maxFunction && !s.test() {
			t.Errorf("%s: %s has %d lines, more than %d", at, fn.Name.Name, n, maxFunction)
		}
		if s.test() {
			sleeps(t, s, fn)
		}
	}
}

// sleeps finds tests that wait for the clock.
func sleeps(t *testing.T, s *source, fn *ast.FuncDecl) {
	ast.Inspect(fn, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && !usesSynctest(s) {
				t.Errorf("%s: a test sleeps; use testing/synctest, a channel, or polling with a deadline",
					s.fset.Position(n.Pos()))
			}
		}
		return true
	})
}

// usesSynctest says whether time is false in the file: a sleep inside a
// synctest bubble takes none.
func usesSynctest(s *source) bool { return slices.Contains(s.imports(), "testing/synctest") }

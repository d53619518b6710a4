package metadb_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"origami/internal/metadb"
)

// writerVariable makes this test binary a process that writes to the SQLite
// file that it names.
const writerVariable = "ORIGAMI_TEST_METADB_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerVariable); path != "" {
		if err := write(path, os.Getenv(writerVariable+"_NAME")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// write commits pairs of settings until it is killed, and says each number
// that is durable.
func write(path, name string) error {
	ctx := context.Background()
	db, err := metadb.Open(ctx, "sqlite:"+path)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		err := db.Update(ctx, func(tx *metadb.Tx) error {
			value := []byte(strconv.Itoa(n))
			return errors.Join(tx.PutSetting(name+"-a", value), tx.PutSetting(name+"-b", value))
		})
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func startWriter(t *testing.T, path, name string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerVariable+"="+path, writerVariable+"_NAME="+name)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// lastLine kills a process and returns the last whole line that it wrote.
func lastLine(t *testing.T, cmd *exec.Cmd, lines *bufio.Scanner) int {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	last := 0
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err == nil && n == last+1 || last == 0 {
			last = n
		}
	}
	cmd.Wait()
	return last
}

// Two processes write to one file at once, and are killed: nothing that either
// was told to be durable is missing, and no transaction is there by half.
func TestKilledWriters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "meta.db")
	for round := range 5 {
		names := []string{fmt.Sprint("x", round), fmt.Sprint("y", round)}
		said := map[string]int{}
		var cmds []*exec.Cmd
		var outs []*bufio.Scanner
		for _, name := range names {
			cmd, lines := startWriter(t, path, name)
			cmds, outs = append(cmds, cmd), append(outs, lines)
		}
		for n, lines := range outs {
			for range 10 + 7*round { // both get on beside each other
				if !lines.Scan() {
					t.Fatalf("writer %d ended: %v", n, lines.Err())
				}
			}
		}
		for n := range cmds {
			said[names[n]] = lastLine(t, cmds[n], outs[n])
		}
		db := open(t, "sqlite:"+path)
		for name, durable := range said {
			view(t, db, func(tx *metadb.Tx) error {
				a, err := tx.Setting(name + "-a")
				if err != nil {
					return err
				}
				b, err := tx.Setting(name + "-b")
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(string(a))
				if string(a) != string(b) || n < durable {
					t.Errorf("%s: found %s and %s, want both the same and at least %d", name, a, b, durable)
				}
				return err
			})
		}
	}
}

// A process that joins knows whether it is alone.
func TestJoinWorkers(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	join := func() (leave func(), alone bool) {
		t.Helper()
		leave, err := db.JoinWorkers(func() error { alone = true; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return leave, alone
	}
	first, alone := join()
	if !alone {
		t.Error("the first does not know that it is alone")
	}
	second, alone := join()
	if alone {
		t.Error("the second believes that it is alone")
	}
	first()
	third, alone := join()
	if alone {
		t.Error("the third believes that it is alone")
	}
	second()
	third()
	no := errors.New("no")
	if _, err := db.JoinWorkers(func() error { return no }); !errors.Is(err, no) {
		t.Errorf("got error %v, want %v", err, no)
	}
	last, alone := join()
	defer last()
	if !alone {
		t.Error("after all have left the next does not know that it is alone")
	}
}

// One that leaves while the process starts others, which have its files until
// they become another program, has left.
func TestLeaveBesideForks(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	stop := forks(t)
	defer stop()
	for n := range 100 {
		alone := false
		leave, err := db.JoinWorkers(func() error { alone = true; return nil })
		if err != nil {
			t.Fatal(err)
		}
		leave()
		if !alone {
			t.Fatalf("time %d: somebody is there after all have left", n)
		}
	}
}

// forks starts processes until it is told to stop.
func forks(t *testing.T) (stop func()) {
	t.Helper()
	name, err := exec.LookPath("true")
	if err != nil {
		t.Skip("there is nothing to start")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := exec.Command(name).Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

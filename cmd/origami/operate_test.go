package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"origami"
)

// TestOperatorAudit changes accounts, users, organizations and the root key with
// the service running and without: each change has its line in the one log.
func TestOperatorAudit(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.log")
	n := install(t, "--audit-log", file)
	for _, running := range []bool{true, false} {
		if !running {
			n.end()
			n.start()
			n.end()
		}
		if err := os.Rename(file, fmt.Sprintf("%s.%t", file, running)); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("builders-%t", running)
		var account newAccount
		n.json(&account, "account", "create", name)
		n.run("account", "alias", name, "amazon")
		var user, second newKey
		n.json(&user, "user", "create", "alice", "--account", name, "--policy", "AmazonEC2ReadOnlyAccess")
		n.json(&second, "user", "key", "create", "alice", "--account", name)
		n.run("user", "key", "delete", "alice", user.AccessKey, "--account", name)
		refused := n.try(t.Context(), io.Discard, "user", "create", "alice", "--account", name)
		n.run("user", "delete", "alice", "--account", name)
		var org, unit newOrganization
		n.json(&org, "organization", "create", string(account.ID))
		n.json(&unit, "organization", "create-unit", org.ID, "dev")
		n.run("organization", "add", org.ID, "default", "--unit", unit.ID)
		n.run("organization", "remove", "default")
		n.run("organization", "delete", unit.ID)
		n.run("organization", "delete", org.ID)
		var root rotated
		n.json(&root, "root-key", "rotate")
		if refused == nil {
			t.Error("a second user of the name was made")
		}
		// What only looks has no line.
		n.run("account", "list")
		n.run("user", "list", "--account", name)
		n.run("organization", "list")
		n.run("root-key", "status")

		id := account.ID
		want := []struct {
			action, outcome string
			account         origami.AccountID
			resource        string
		}{
			{"CreateAccount", "success", id, account.AccessKey},
			{"SetOwnerAlias", "success", id, string(id)},
			{"CreateUser", "success", id, user.ARN},
			{"CreateAccessKey", "success", id, second.AccessKey},
			{"DeleteAccessKey", "success", id, user.AccessKey},
			{"CreateUser", "refused", id, ""},
			{"DeleteUser", "success", id, user.ARN},
			{"CreateOrganization", "success", id, org.ID},
			{"CreateOrganizationalUnit", "success", "", unit.ID},
			{"MoveAccount", "success", "default", unit.ID},
			{"RemoveAccount", "success", "default", ""},
			{"DeleteOrganizationalUnit", "success", "", unit.ID},
			{"DeleteOrganization", "success", "", org.ID},
			{"RotateRootKey", "success", "", root.To},
		}
		records, text := auditRecords(t, file)
		if len(records) != len(want) {
			t.Fatalf("running %t: %d lines, want %d:\n%s", running, len(records), len(want), text)
		}
		var e environment
		n.json(&e, "env")
		seen := map[string]bool{}
		for i, r := range records {
			w := want[i]
			if w.account == "default" {
				w.account = e.Account
			}
			if r.Action != w.action || r.Outcome != w.outcome || r.Account != w.account || w.resource != "" && !slices.Contains(r.Resources, w.resource) {
				t.Errorf("running %t: line %d = %+v, want %+v", running, i, r, w)
			}
			if r.Service != "origami" || !strings.HasPrefix(r.Principal, "operator") || r.Time.IsZero() || seen[r.Request] || r.AccessKey != "" {
				t.Errorf("running %t: line %d does not say who: %+v", running, i, r)
			}
			if who := fmt.Sprintf("@uid=%d,pid=%d", os.Getuid(), os.Getpid()); runtime.GOOS == "linux" && r.Source != who {
				t.Errorf("running %t: line %d is from %q, want %s", running, i, r.Source, who)
			}
			seen[r.Request] = true
		}
		for _, secret := range []string{account.Secret, user.Secret, second.Secret} {
			if strings.Contains(text, secret) {
				t.Errorf("running %t: the log has a secret in it", running)
			}
		}
	}
}

// TestOperatorUnaudited takes the audit log away: while the service runs the answer
// does not come, and while it does not run nothing is changed.
func TestOperatorUnaudited(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.log")
	n := install(t, "--audit-log", file)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := n.try(t.Context(), &out, "account", "create", "one"); err == nil || !strings.Contains(err.Error(), "audit log") || out.Len() > 0 {
		t.Errorf("beside the service: got %q, %v", &out, err)
	}
	n.end()
	if err := n.try(t.Context(), io.Discard, "account", "create", "two"); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("without the service: got error %v", err)
	}
	if text := n.run("account", "list"); strings.Contains(text, "two") {
		t.Errorf("made an account that nobody heard of:\n%s", text)
	}
	// A service without an audit log takes it away from the commands as well.
	n.o.audit = ""
	n.start()
	n.end()
	n.run("account", "create", "three")
}

// TestOperatorConcurrent has many commands at once ask a running service, which
// others ask through its API: each has one outcome, and one line in the log.
func TestOperatorConcurrent(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.log")
	n := install(t, "--audit-log", file)
	const clients = 8
	var all sync.WaitGroup
	errs := make([]error, clients)
	for i := range clients {
		all.Go(func() { errs[i] = n.try(t.Context(), io.Discard, "user", "create", "same") })
		all.Go(func() {
			if err := n.try(t.Context(), io.Discard, "user", "create", fmt.Sprintf("user-%d", i)); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if status, answer := n.call("CreateKeyPair", "KeyName", fmt.Sprintf("k%d", i)); status != 200 {
				t.Errorf("CreateKeyPair = %d %s", status, answer)
			}
		})
	}
	all.Go(func() { n.json(new(rotated), "root-key", "rotate") })
	all.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !strings.Contains(err.Error(), "already exists") {
			t.Error(err)
		}
	}
	var users []listedUser
	n.json(&users, "user", "list")
	if made != 1 || len(users) != clients+1 {
		t.Errorf("%d made the one user; there are %d", made, len(users))
	}
	for _, u := range users {
		if u.Keys != 1 {
			t.Errorf("%s has %d keys", u.Name, u.Keys)
		}
	}
	records, text := auditRecords(t, file)
	count := map[string]int{}
	for _, r := range records {
		count[r.Action+" "+r.Outcome]++
	}
	if len(records) != 3*clients+1 || count["CreateUser success"] != clients+1 || count["CreateUser refused"] != clients-1 ||
		count["CreateKeyPair success"] != clients || count["RotateRootKey success"] != 1 {
		t.Errorf("the log counts %v:\n%s", count, text)
	}
}

// TestOperatorWaits has a service wait for a command that works while none runs,
// and a command for another.
func TestOperatorWaits(t *testing.T) {
	t.Parallel()
	n := install(t)
	n.end()
	hold := func(then func()) {
		t.Helper()
		lock, err := dataDir(n.dir).lock()
		if err != nil {
			t.Fatal(err)
		}
		released := make(chan error, 1)
		time.AfterFunc(3*lockEvery, func() { released <- unlock(lock) })
		then()
		if err := <-released; err != nil {
			t.Error(err)
		}
	}
	hold(func() { n.run("account", "create", "patient") })
	hold(n.start)
	// A second service does not wait for the first.
	if err := serve(t.Context(), n.o, io.Discard); err == nil || !strings.Contains(err.Error(), "serves") {
		t.Errorf("a second service: %v", err)
	}
	if text := n.run("account", "list"); !strings.Contains(text, "patient") {
		t.Errorf("accounts:\n%s", text)
	}
}

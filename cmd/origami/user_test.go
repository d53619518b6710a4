package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"origami/internal/sigv4"
)

// TestUser makes a user beside a running service, which lets it do what its
// policy allows, and lets it go again.
func TestUser(t *testing.T) {
	t.Parallel()
	n := install(t)
	var made newKey
	n.json(&made, "user", "create", "alice", "--policy", "AmazonEC2ReadOnlyAccess")
	if want := "arn:aws:iam::" + string(made.Account) + ":user/alice"; made.ARN != want || made.User != "alice" {
		t.Errorf("got %+v, want %s", made, want)
	}
	ask := func(k newKey, service, body string) (int, string) {
		t.Helper()
		var e environment
		n.json(&e, "env")
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.Endpoint, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := sigv4.Sign(r, []byte(body), sigv4.Credentials{AccessKeyID: k.AccessKey, Secret: k.Secret}, "us-east-1", service, time.Now()); err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var text bytes.Buffer
		if _, err := text.ReadFrom(answer.Body); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, text.String()
	}
	const look, change = "Action=DescribeImages&Version=2016-11-15", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.9.0.0/16"
	if status, text := ask(made, "ec2", look); status != 200 {
		t.Errorf("a look: got %d %s", status, text)
	}
	if status, text := ask(made, "ec2", change); status != 403 || !strings.Contains(text, "UnauthorizedOperation") {
		t.Errorf("a change: got %d %s", status, text)
	}
	if status, text := ask(made, "sts", "Action=GetCallerIdentity&Version=2011-06-15"); status != 200 || !strings.Contains(text, made.ARN) {
		t.Errorf("who: got %d %s", status, text)
	}
	if status, text := ask(made, "iam", "Action=ListUsers&Version=2010-05-08"); status != 403 || !strings.Contains(text, "AccessDenied") {
		t.Errorf("users: got %d %s", status, text)
	}

	var second newKey
	n.json(&second, "user", "key", "create", "alice")
	var keys []listedKey
	n.json(&keys, "user", "key", "list", "alice")
	if len(keys) != 2 || !keys[0].Active || second.AccessKey == made.AccessKey {
		t.Errorf("keys: %+v", keys)
	}
	if err := n.try(t.Context(), new(bytes.Buffer), "user", "key", "create", "alice"); err == nil || !strings.Contains(err.Error(), "quota") {
		t.Errorf("a third key: got error %v", err)
	}
	n.run("user", "key", "delete", "alice", made.AccessKey)
	if status, _ := ask(made, "ec2", look); status != 401 {
		t.Errorf("a deleted key: got %d", status)
	}
	var users []listedUser
	n.json(&users, "user", "list")
	if len(users) != 1 || users[0].Name != "alice" || users[0].Keys != 1 || strings.Join(users[0].Policies, ",") != "AmazonEC2ReadOnlyAccess" {
		t.Errorf("users: %+v", users)
	}
	if text := n.run("user", "list"); !strings.HasPrefix(text, "USER   POLICIES                 KEYS  CREATED\nalice  AmazonEC2ReadOnlyAccess  1     ") {
		t.Errorf("got %s", text)
	}
	// A policy that is not there leaves no user behind.
	if err := n.try(t.Context(), new(bytes.Buffer), "user", "create", "bob", "--policy", "None"); err == nil {
		t.Error("made a user with a policy that does not exist")
	}
	n.run("user", "delete", "alice")
	n.json(&users, "user", "list")
	if len(users) != 0 {
		t.Errorf("after the deletion: %+v", users)
	}
	if status, _ := ask(second, "ec2", look); status != 401 {
		t.Errorf("the key of a deleted user: got %d", status)
	}
	for _, args := range [][]string{{"user", "delete", "alice"}, {"user", "list", "--account", "nobody"}, {"user", "list", "--output", "xml"}} {
		if err := n.try(t.Context(), new(bytes.Buffer), args...); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

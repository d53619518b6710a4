package main

import (
	"io"
	"strings"
	"testing"

	"origami/internal/ami"
)

// TestOrganizationCommands makes an organization beside the running service,
// shares an image with it, and has the reasons explained.
func TestOrganizationCommands(t *testing.T) {
	t.Parallel()
	n := install(t)
	image, _ := n.importDisk("golden", make([]byte, 1<<20))
	for _, name := range []string{"inside", "outside"} {
		n.run("account", "create", name)
	}
	var org, unit newOrganization
	n.json(&org, "organization", "create", "default")
	n.json(&unit, "organization", "create-unit", org.ID, "builders")
	n.run("organization", "add", org.ID, "inside", "--unit", unit.ID)
	list := n.run("organization", "list")
	for _, want := range []string{org.ID, string(org.ARN), unit.ID, string(unit.ARN), "builders"} {
		if !strings.Contains(list, want) {
			t.Errorf("organization list lacks %s:\n%s", want, list)
		}
	}

	type row struct {
		AccountName            string
		Discover, Launch, Copy ami.Verdict
	}
	explain := func(args ...string) map[string]row {
		t.Helper()
		var rows []row
		n.json(&rows, append([]string{"image", "explain"}, args...)...)
		out := make(map[string]row)
		for _, r := range rows {
			out[r.AccountName] = r
		}
		return out
	}
	is := func(who string, v ami.Verdict, allowed bool, code, reason string) {
		t.Helper()
		if v.Allowed != allowed || string(v.Code) != code || !strings.Contains(v.Reason, reason) {
			t.Errorf("%s: got %+v, want %v %s …%s…", who, v, allowed, code, reason)
		}
	}
	n.must("ModifyImageAttribute", "ImageId", image, "LaunchPermission.Add.1.OrganizationalUnitArn", string(unit.ARN))
	rows := explain("golden")
	if len(rows) != 3 {
		t.Fatalf("got %d accounts, want 3", len(rows))
	}
	is("default", rows["default"].Copy, true, "", "owns")
	is("inside", rows["inside"].Launch, true, "", string(unit.ARN))
	is("inside", rows["inside"].Copy, false, "InvalidRequest", "is not shared with account")
	is("outside", rows["outside"].Discover, false, "InvalidAMIID.NotFound", "the image is not shared")
	is("outside", rows["outside"].Launch, false, "AuthFailure", "the image is not shared")
	if rows := explain(image, "--account", "outside"); len(rows) != 1 || rows["outside"].Launch.Allowed {
		t.Errorf("about one account: got %+v", rows)
	}
	if text := n.run("images"); !strings.Contains(text, "1 organization ") {
		t.Errorf("images does not show whom it is shared with:\n%s", text)
	}

	n.run("organization", "remove", "inside")
	is("inside", explain(image)["inside"].Launch, false, "AuthFailure", "the image is not shared")
	n.run("account", "alias", "default", "amazon")
	n.must("ModifyImageAttribute", "ImageId", image, "LaunchPermission.Add.1.Group", "all")
	if answer := n.must("DescribeImages", "Owner.1", "amazon"); !strings.Contains(answer, "<imageOwnerAlias>amazon</imageOwnerAlias>") {
		t.Errorf("the alias finds nothing: %s", answer)
	}
	n.run("account", "alias", "default")
	if answer := n.must("DescribeImages", "Owner.1", "amazon"); strings.Contains(answer, image) {
		t.Errorf("the alias is still there: %s", answer)
	}
	n.run("organization", "delete", unit.ID)
	n.run("organization", "delete", org.ID)
	if got := strings.TrimSpace(n.run("organization", "list", "--output", "json")); got != "[]" {
		t.Errorf("after all are deleted: %s", got)
	}

	for _, args := range [][]string{
		{"organization", "create", "nobody"}, {"organization", "create-unit", "o-0000000000", "x"}, {"organization", "create-unit", org.ID, "x", "--parent", "y"},
		{"organization", "add", "x", "default"}, {"organization", "add", org.ID, "nobody"}, {"organization", "remove", "outside"}, {"organization", "delete", "x"},
		{"organization", "list", "--output", "xml"}, {"account", "alias", "default", "google"}, {"account", "alias", "nobody"},
		{"image", "explain", "nothing"}, {"image", "explain", "ami-01234567"}, {"image", "explain", image, "--account", "nobody"}, {"image", "explain", image, "--output", "xml"},
	} {
		if err := n.try(t.Context(), io.Discard, args...); err == nil {
			t.Errorf("origami %s: no error", strings.Join(args, " "))
		}
	}
}

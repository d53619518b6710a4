package iam_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/metadb"
)

// principals are the grantees that mean an account.
func principals(t *testing.T, db *metadb.DB, id origami.AccountID) []string {
	t.Helper()
	var out []string
	err := db.View(t.Context(), func(tx *metadb.Tx) (err error) { out, err = tx.Principals(id); return err })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestOrganizations follows two accounts through an organization.
func TestOrganizations(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, _, err := s.CreateAccount(ctx, "boss")
	must(err)
	b, _, err := s.CreateAccount(ctx, "worker")
	must(err)
	o, err := s.CreateOrganization(ctx, a.ID)
	must(err)
	if _, err := origami.ParseOrganizationARN(string(o.ARN())); err != nil {
		t.Error(err)
	}
	outer, err := s.CreateUnit(ctx, o.ID, "", "outer")
	must(err)
	inner, err := s.CreateUnit(ctx, o.ID, outer.ID, "inner")
	must(err)
	if _, err := origami.ParseUnitARN(string(o.UnitARN(inner.ID))); err != nil {
		t.Error(err)
	}
	id := func(x origami.AccountID) string { return string(x) }
	check := func(of origami.AccountID, want ...string) {
		t.Helper()
		if diff := cmp.Diff(principals(t, db, of), want); diff != "" {
			t.Errorf("principals of %s (-got +want):\n%s", of, diff)
		}
	}
	check(a.ID, id(a.ID), string(o.ARN()))
	check(b.ID, id(b.ID))
	must(s.PutAccount(ctx, b.ID, o.ID, inner.ID))
	check(b.ID, id(b.ID), string(o.ARN()), string(o.UnitARN(outer.ID)), string(o.UnitARN(inner.ID)))
	must(s.PutAccount(ctx, b.ID, o.ID, outer.ID))
	check(b.ID, id(b.ID), string(o.ARN()), string(o.UnitARN(outer.ID)))

	for name, tt := range map[string]struct {
		f    func() error
		code origami.Code
		text string
	}{
		"a second organization":  {func() error { _, err := s.CreateOrganization(ctx, a.ID); return err }, origami.CodeInvalidParameterValue, "is in the organization"},
		"no such account":        {func() error { _, err := s.CreateOrganization(ctx, "999999999999"); return err }, origami.CodeInvalidParameterValue, "There is no account"},
		"a member manages":       {func() error { _, err := s.CreateOrganization(ctx, b.ID); return err }, origami.CodeInvalidParameterValue, "is in the organization"},
		"unit of nothing":        {func() error { _, err := s.CreateUnit(ctx, "o-0000000000", "", "x"); return err }, origami.CodeInvalidParameterValue, "There is no organization"},
		"unit in nothing":        {func() error { _, err := s.CreateUnit(ctx, o.ID, "ou-0000-00000000", "x"); return err }, origami.CodeInvalidParameterValue, "There is no organizational unit"},
		"unit twice":             {func() error { _, err := s.CreateUnit(ctx, o.ID, outer.ID, "inner"); return err }, origami.CodeInvalidParameterValue, "already"},
		"unit without name":      {func() error { _, err := s.CreateUnit(ctx, o.ID, "", ""); return err }, origami.CodeInvalidParameterValue, "1 to 50 characters"},
		"the boss leaves":        {func() error { return s.RemoveAccount(ctx, a.ID) }, origami.CodeInvalidParameterValue, "stays in it"},
		"delete a unit in use":   {func() error { return s.DeleteUnit(ctx, outer.ID) }, origami.CodeDependencyViolation, "has accounts"},
		"delete an organization": {func() error { return s.DeleteOrganization(ctx, o.ID) }, origami.CodeDependencyViolation, "has units"},
		"account into nothing":   {func() error { return s.PutAccount(ctx, b.ID, "o-0000000000", "") }, origami.CodeInvalidParameterValue, "There is no organization"},
	} {
		err := tt.f()
		if !errors.Is(err, &origami.Error{Code: tt.code}) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v, want %s: …%s…", name, err, tt.code, tt.text)
		}
	}

	all, err := s.Organizations(ctx)
	must(err)
	if len(all) != 1 || len(all[0].Units) != 2 || len(all[0].Members) != 2 || all[0].Management != a.ID {
		t.Errorf("got %+v", all)
	}
	must(s.RemoveAccount(ctx, b.ID))
	check(b.ID, id(b.ID))
	if err := s.RemoveAccount(ctx, b.ID); err == nil || !strings.Contains(err.Error(), "is in no organization") {
		t.Errorf("removed twice: %v", err)
	}
	if err := s.DeleteUnit(ctx, outer.ID); err == nil || !strings.Contains(err.Error(), "has units") {
		t.Errorf("deleted a unit with units: %v", err)
	}
	must(s.DeleteUnit(ctx, inner.ID))
	must(s.DeleteUnit(ctx, outer.ID))
	must(s.DeleteOrganization(ctx, o.ID))
	check(a.ID, id(a.ID))
	if all, err := s.Organizations(context.Background()); err != nil || len(all) != 0 {
		t.Errorf("got %v, %v, want none", all, err)
	}
}

// TestUnitDepth nests units as deep as it goes.
func TestUnitDepth(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	a, _, err := s.CreateAccount(t.Context(), "boss")
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.CreateOrganization(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{string(a.ID), string(o.ARN())}
	var at origami.UnitID
	for range origami.MaxUnitDepth {
		u, err := s.CreateUnit(t.Context(), o.ID, at, "unit")
		if err != nil {
			t.Fatal(err)
		}
		at = u.ID
		want = append(want, string(o.UnitARN(at)))
	}
	if _, err := s.CreateUnit(t.Context(), o.ID, at, "unit"); err == nil || !strings.Contains(err.Error(), "5 deep") {
		t.Errorf("got %v, want a refusal", err)
	}
	if err := s.PutAccount(t.Context(), a.ID, o.ID, at); err != nil {
		t.Fatal(err)
	}
	if got := principals(t, db, a.ID); !slices.Equal(got, want) {
		t.Errorf("got principals %v, want %v", got, want)
	}
}

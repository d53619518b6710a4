package ec2server_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
)

// TestVisibilityMatrix crosses every way in which an image can be shared with
// every state, viewer and flag, and compares each list with what the rules say
// in the words of a table.
//
//origami:proves DescribeImages S8 S14 S63 S64
func TestVisibilityMatrix(t *testing.T) {
	t.Parallel()
	i := open(t)
	boss, organization, outer, _ := i.organization(t)
	stranger := i.account(i.iam, "stranger")
	snap := i.a.snapshot(t, home, "root")

	// Who may see an image that is shared so: o(wner), b(ob), (the) boss,
	// s(tranger); and who is permitted explicitly.
	shares := map[string]struct {
		grants         origami.Grants
		sees, explicit string
	}{
		"private":      {origami.Grants{}, "o", ""},
		"account":      {origami.Grants{Accounts: []origami.AccountID{i.b.id}}, "ob", "b"},
		"organization": {origami.Grants{Organizations: []origami.OrganizationARN{origami.OrganizationARN(organization)}}, "obB", "bB"},
		"unit":         {origami.Grants{Organizations: []origami.OrganizationARN{origami.OrganizationARN(outer)}}, "ob", "b"},
		"public":       {origami.Grants{Public: true}, "obBs", ""},
		"both":         {origami.Grants{Public: true, Accounts: []origami.AccountID{stranger.id}}, "obBs", "s"},
		"foreign":      {origami.Grants{Organizations: []origami.OrganizationARN{"arn:aws:organizations::999999999999:organization/o-abcdefghij"}}, "o", ""},
		"owner":        {origami.Grants{Accounts: []origami.AccountID{i.a.id}}, "o", "o"},
	}
	kinds := map[string]func(*origami.Image){
		"plain":      func(*origami.Image) {},
		"deprecated": func(m *origami.Image) { m.DeprecationTime = clock },
		"retiring":   func(m *origami.Image) { m.DeprecationTime = clock.Add(time.Minute) },
		"pending":    func(m *origami.Image) { m.State = origami.ImagePending },
		"failed":     func(m *origami.Image) { m.State = origami.ImageFailed },
		"disabled":   func(m *origami.Image) { m.State = origami.ImageDisabled },
		"gone":       func(m *origami.Image) { m.State = origami.ImageDeregistered },
		"binned": func(m *origami.Image) {
			m.State, m.Bin = origami.ImageBinned, &origami.BinStay{Entered: clock, Exit: clock.Add(time.Hour)}
		},
	}
	ids := make(map[string]string) // by share and kind
	for share, s := range shares {
		for kind, change := range kinds {
			name := share + " " + kind
			ids[name] = i.a.register(t, i.a.Client, name, snap)
			i.change(t, home, ids[name], func(m *origami.Image) { m.Grant(s.grants); change(m) })
		}
	}

	viewers := map[string]*account{"o": i.a, "b": i.b, "B": boss, "s": stranger}
	flags := map[string]ec2.DescribeImagesInput{
		"nothing":             {},
		"deprecated":          {IncludeDeprecated: p(true)},
		"disabled":            {IncludeDisabled: p(true)},
		"both":                {IncludeDeprecated: p(true), IncludeDisabled: p(true)},
		"owner":               {Owners: []string{string(i.a.id)}},
		"self":                {Owners: []string{"self"}},
		"executable by self":  {ExecutableUsers: []string{"self"}, IncludeDeprecated: p(true)},
		"executable by all":   {ExecutableUsers: []string{"all"}, IncludeDeprecated: p(true)},
		"executable by bob":   {ExecutableUsers: []string{string(i.b.id)}, IncludeDeprecated: p(true)},
		"private and plain":   {Filters: append(filter("is-public", "false"), filter("name", "* plain")...)},
		"by name, disabled":   {Filters: filter("name", "* disabled"), IncludeDisabled: p(true)},
		"tags of the owner's": {Filters: filter("tag-key", "*")},
	}
	for flag, in := range flags {
		for letter, who := range viewers {
			t.Run(flag+" by "+letter, func(t *testing.T) {
				t.Parallel()
				want := make(map[string]bool)
				for share, s := range shares {
					for kind := range kinds {
						mine := letter == "o"
						shown := strings.Contains(s.sees, letter)
						switch kind {
						case "gone", "binned":
							shown = false
						case "disabled":
							shown = mine && in.IncludeDisabled != nil
						case "deprecated":
							shown = shown && (mine || in.IncludeDeprecated != nil)
						}
						switch flag {
						case "self":
							shown = shown && mine
						case "executable by self":
							shown = shown && strings.Contains(s.explicit, letter)
						case "executable by all":
							shown = shown && s.grants.Public
						case "executable by bob":
							// Only by name, and only the owner and bob know.
							shown = shown && (letter == "b" && strings.Contains(s.explicit, "b") || mine && slices.Contains(s.grants.Accounts, i.b.id))
						case "private and plain":
							shown = shown && !s.grants.Public && kind == "plain"
						case "by name, disabled":
							shown = shown && kind == "disabled"
						case "tags of the owner's":
							shown = false
						}
						if shown {
							want[share+" "+kind] = true
						}
					}
				}
				wantNames(t, do(t, who.DescribeImages, &in).Images, want)
				paged := in
				var all []types.Image
				for paged.MaxResults = p(int32(5)); ; {
					out := do(t, who.DescribeImages, &paged)
					all = append(all, out.Images...)
					if paged.NextToken = out.NextToken; out.NextToken == nil {
						break
					}
				}
				wantNames(t, all, want)
			})
		}
	}
	for name, id := range ids {
		share, kind, _ := strings.Cut(name, " ")
		for letter, who := range viewers {
			want := strings.Contains(shares[share].sees, letter) && kind != "gone" && kind != "binned" && (kind != "disabled" || letter == "o")
			_, err := who.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{id}})
			if code := codeOf(t, err); want != (code == "") || !want && code != "InvalidAMIID.NotFound" {
				t.Errorf("%s by ID, by %s: got %q", name, letter, code)
			}
		}
	}
}

func wantNames(t *testing.T, got []types.Image, want map[string]bool) {
	t.Helper()
	names := make(map[string]bool)
	for _, m := range got {
		if names[*m.Name] {
			t.Errorf("%s is there twice", *m.Name)
		}
		names[*m.Name] = true
	}
	if !maps.Equal(names, want) {
		t.Errorf("got  %s\nwant %s", fmt.Sprint(slices.Sorted(maps.Keys(names))), fmt.Sprint(slices.Sorted(maps.Keys(want))))
	}
}

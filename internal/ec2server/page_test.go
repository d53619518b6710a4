package ec2server

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

var pageCaller = origami.Caller{Account: "123456789012", Region: "eu-west-1"}

func pageServer(t *testing.T) *Server {
	t.Helper()
	return NewServer(Config{DB: openDB(t), TokenKey: [32]byte{1, 2, 3}})
}

// TestCollect pages through a list with every size of page and checks that
// the pages make up the list.
func TestCollect(t *testing.T) {
	t.Parallel()
	s := pageServer(t)
	var ids []string
	for i := range 600 {
		ids = append(ids, fmt.Sprintf("ami-%05d", i))
	}
	even := func(v tagged[string]) bool { return v.noun[len(v.noun)-1]%2 == 0 }
	var want []string
	for _, id := range ids {
		if even(tagged[string]{noun: id}) {
			want = append(want, id)
		}
	}
	for _, size := range []int32{0, 1, 7, 100, 299, 300, 301, 1000} {
		var got []string
		in := &ec2api.DescribeImagesInput{MaxResults: &size}
		if size == 0 {
			in.MaxResults = nil
		}
		for range len(want) + 1 {
			p, err := s.page(pageCaller, "DescribeImages", in, in.MaxResults, in.NextToken)
			if err != nil {
				t.Fatal(err)
			}
			found := onePage(t, s, p, ids, even)
			for _, v := range found.items {
				got = append(got, v.noun)
			}
			if size > 0 && len(found.items) > int(size) {
				t.Fatalf("a page of %d has %d items", size, len(found.items))
			}
			if in.NextToken = found.next; in.NextToken == nil {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %d items, want %d", size, len(got), len(want))
		}
	}
}

type foundPage struct {
	items []tagged[string]
	next  *string
}

// onePage collects from a list that begins behind the page's key.
func onePage(t *testing.T, s *Server, p pager, ids []string, keep func(tagged[string]) bool) (f foundPage) {
	t.Helper()
	list := func(yield func(string, error) bool) {
		for _, id := range ids {
			if id > p.after && !yield(id, nil) {
				return
			}
		}
	}
	err := s.db.View(t.Context(), func(tx *metadb.Tx) (err error) {
		f.items, f.next, err = collect(tx, pageCaller, p, list, func(id string) string { return id }, keep)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCollectError(t *testing.T) {
	t.Parallel()
	s := pageServer(t)
	broken := errors.New("broken")
	list := func(yield func(string, error) bool) {
		if yield("a", nil) {
			yield("", broken)
		}
	}
	err := s.db.View(t.Context(), func(tx *metadb.Tx) error {
		_, _, err := collect(tx, pageCaller, pager{}, list, func(id string) string { return id }, func(tagged[string]) bool { return true })
		return err
	})
	if !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
}

// TestTokenBound checks that a token is good for one account, region,
// operation and set of parameters, and unchanged.
func TestTokenBound(t *testing.T) {
	t.Parallel()
	s := pageServer(t)
	five := int32(5)
	in := &ec2api.DescribeImagesInput{Owners: []string{"self"}, MaxResults: &five}
	p, err := s.page(pageCaller, "DescribeImages", in, in.MaxResults, nil)
	if err != nil {
		t.Fatal(err)
	}
	token := p.next("ami-1")
	ten := int32(10)
	if p, err := s.page(pageCaller, "DescribeImages", &ec2api.DescribeImagesInput{Owners: []string{"self"}, NextToken: token}, &ten, token); err != nil || p.after != "ami-1" || p.limit != 10 {
		t.Errorf("got %+v, %v, want a page of 10 after ami-1", p, err)
	}
	if p, err := s.page(pageCaller, "DescribeImages", in, nil, ptr("")); err != nil || p.after != "" {
		t.Errorf("empty token: got %+v, %v", p, err)
	}
	account, region := pageCaller, pageCaller
	account.Account, region.Region = "210987654321", "us-east-1"
	other := &ec2api.DescribeImagesInput{Owners: []string{"amazon"}}
	stranger := NewServer(Config{TokenKey: [32]byte{9}})
	for name, f := range map[string]func() (pager, error){
		"account":    func() (pager, error) { return s.page(account, "DescribeImages", in, nil, token) },
		"region":     func() (pager, error) { return s.page(region, "DescribeImages", in, nil, token) },
		"operation":  func() (pager, error) { return s.page(pageCaller, "DescribeVolumes", in, nil, token) },
		"parameters": func() (pager, error) { return s.page(pageCaller, "DescribeImages", other, nil, token) },
		"key":        func() (pager, error) { return stranger.page(pageCaller, "DescribeImages", in, nil, token) },
		"cut":        func() (pager, error) { return s.page(pageCaller, "DescribeImages", in, nil, ptr((*token)[:22])) },
		"junk":       func() (pager, error) { return s.page(pageCaller, "DescribeImages", in, nil, ptr("?")) },
		"long": func() (pager, error) {
			return s.page(pageCaller, "DescribeImages", in, nil, ptr(strings.Repeat("A", 4096)))
		},
	} {
		if _, err := f(); err == nil {
			t.Errorf("token with another %s was accepted", name)
		} else {
			wantCode(t, err, origami.CodeInvalidParameterValue)
		}
	}
	for i := range *token {
		changed := []byte(*token)
		changed[i] ^= 1
		if _, err := s.page(pageCaller, "DescribeImages", in, nil, ptr(string(changed))); err == nil {
			t.Errorf("token changed at %d was accepted", i)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	in := func(edit func(*ec2api.RunInstancesInput)) [32]byte {
		r := &ec2api.RunInstancesInput{ImageId: ptr("ami-1"), MinCount: ptr(int32(1)), MaxCount: ptr(int32(1))}
		edit(r)
		before := *r
		sum := fingerprint(r)
		if before.ClientToken != r.ClientToken || before.DryRun != r.DryRun {
			t.Error("fingerprint changed the input")
		}
		return sum
	}
	base := in(func(*ec2api.RunInstancesInput) {})
	for name, edit := range map[string]func(*ec2api.RunInstancesInput){
		"token":   func(r *ec2api.RunInstancesInput) { r.ClientToken = ptr("x") },
		"dry run": func(r *ec2api.RunInstancesInput) { r.DryRun = ptr(false) },
	} {
		if in(edit) != base {
			t.Errorf("%s: the fingerprint differs", name)
		}
	}
	for name, edit := range map[string]func(*ec2api.RunInstancesInput){
		"count": func(r *ec2api.RunInstancesInput) { r.MaxCount = ptr(int32(2)) },
		"image": func(r *ec2api.RunInstancesInput) { r.ImageId = ptr("ami-2") },
		"group": func(r *ec2api.RunInstancesInput) { r.SecurityGroupIds = []string{"sg-1"} },
		"deep":  func(r *ec2api.RunInstancesInput) { r.Placement = &ec2api.Placement{AvailabilityZone: ptr("a")} },
	} {
		if in(edit) == base {
			t.Errorf("%s: the fingerprint is the same", name)
		}
	}
}

// openDB opens an empty database.
func openDB(t *testing.T) *metadb.DB {
	t.Helper()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

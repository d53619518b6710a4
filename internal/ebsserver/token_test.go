package ebsserver

import (
	"testing"
	"time"

	"origami"
)

// FuzzToken opens any text as a token: what opens is what was sealed.
func FuzzToken(f *testing.F) {
	s := &server{key: [32]byte{1}}
	snap := &origami.Snapshot{Region: "us-east-1", ID: "snap-0123456789abcdef0"}
	now := time.Unix(1_800_000_000, 0)
	good := *s.blockSeal(snap).token(77, now.Add(time.Hour))
	f.Add(good)
	f.Add(*s.blockSeal(snap).token(77, now))
	f.Add(*s.seal("blocks", "us-east-1", "snap-0123456789abcdef0").token(77, now.Add(time.Hour)))
	f.Add(good[:len(good)-4])
	f.Add("====")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		n, ok := s.blockSeal(snap).open(token, now)
		if ok != (token == good) || ok && n != 77 {
			t.Errorf("%q opens as block %d, %v", token, n, ok)
		}
	})
}

// TestSealWords shows that the words of a purpose do not run together.
func TestSealWords(t *testing.T) {
	t.Parallel()
	s := &server{}
	later := time.Now().Add(time.Hour)
	token := *s.seal("a", "bc").token(1, later)
	for _, words := range [][]string{{"ab", "c"}, {"abc"}, {"a", "bc", ""}, {"a"}} {
		if _, ok := s.seal(words...).open(token, time.Now()); ok {
			t.Errorf("a token of a, bc opens as one of %q", words)
		}
	}
	if _, ok := (&server{key: [32]byte{1}}).seal("a", "bc").open(token, time.Now()); ok {
		t.Error("a token of another key opens")
	}
	if len(token) > maxTokenText {
		t.Errorf("a token has %d characters", len(token))
	}
}

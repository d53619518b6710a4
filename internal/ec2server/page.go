package ec2server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"strings"

	"origami"
	"origami/internal/metadb"
)

// pager is the piece of a list that a request asks for. Lists are in ascending
// order of a key, and a page begins behind the key where the one before it
// ended, so that nothing is skipped or repeated when the list changes in
// between. The zero pager asks for the whole list.
type pager struct {
	after string // key to begin behind, "" to begin at the start
	limit int    // most to return, 0 for all
	next  func(last string) *string
}

const (
	macSize      = 16   // bytes in front of the key in a page token
	maxNextToken = 2048 // bytes of a token that are looked at; keys are IDs and names
)

// page opens the NextToken of a request. MaxResults is within its bounds: the
// dispatch has checked it. The key after which the page begins is in the
// token, behind an authenticator, so that no server has to remember it.
func (s *Server) page(who origami.Caller, operation string, in any, maxResults *int32, token *string) (pager, error) {
	asked := fingerprint(in)
	p := pager{
		limit: int(deref(maxResults)),
		next: func(last string) *string {
			mac := s.pageMAC(who, operation, asked, last)
			return ptr(base64.RawURLEncoding.EncodeToString(append(mac, last...)))
		},
	}
	if deref(token) == "" {
		return p, nil
	}
	bad := badToken(operation)
	if len(*token) > maxNextToken {
		return p, bad
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(*token)
	if err != nil || len(raw) <= macSize {
		return p, bad
	}
	p.after = string(raw[macSize:])
	if !hmac.Equal(raw[:macSize], s.pageMAC(who, operation, asked, p.after)) {
		return p, bad
	}
	return p, nil
}

// badToken is the error of a token that an operation did not make. EC2 has
// several.
func badToken(operation string) error {
	switch operation {
	case "DescribeImages":
		return origami.Errorf(origami.CodeInvalidParameterValue, "The NextToken is invalid.")
	case "DescribeInstances", "DescribeSnapshots", "DescribeVolumes":
		return origami.Errorf(origami.CodeInvalidParameterValue, "Unable to parse pagination token")
	}
	return origami.Errorf(origami.CodeInvalidNextToken, "The specified NextToken is not valid for this request.")
}

// pageMAC binds a token to the account, region, operation and parameters that
// it was made for.
func (s *Server) pageMAC(who origami.Caller, operation string, asked [32]byte, after string) []byte {
	m := hmac.New(sha256.New, s.tokenKey[:])
	// None of the fields holds a NUL, so they cannot run together.
	m.Write([]byte(strings.Join([]string{"page", string(who.Account), string(who.Region), operation, ""}, "\x00")))
	m.Write(asked[:])
	m.Write([]byte(after))
	return m.Sum(nil)[:macSize]
}

// tagged is a noun with the tags that the caller gave it.
type tagged[T any] struct {
	noun T
	tags origami.Tags
}

// Bounds of how many nouns get their tags in one query.
const (
	tagBatch    = 256
	maxTagBatch = 2048
)

// expect is how many nouns of a list a page takes if all of them are shown: one
// more than it returns, to tell whether it is the last. It is 0 if the page is
// the whole list.
func (p pager) expect() int {
	if p.limit == 0 {
		return 0
	}
	return p.limit + 1
}

// collect reads a list in ascending order of id, which begins behind the
// page's after, together with the caller's tags. It returns what keep accepts,
// up to the page's limit, and the token of the next page if there is more.
func collect[T any](tx *metadb.Tx, who origami.Caller, p pager, list iter.Seq2[T, error], id func(T) string, keep func(tagged[T]) bool) ([]tagged[T], *string, error) {
	var kept []tagged[T]
	size := tagBatch
	if p.limit > 0 {
		size = min(p.expect(), maxTagBatch)
	}
	for batch, err := range batches(list, size) {
		if err != nil {
			return nil, nil, err
		}
		ids := make([]string, len(batch))
		for i, noun := range batch {
			ids[i] = id(noun)
		}
		tags, err := tx.Tags(who.Region, who.Account, ids...)
		if err != nil {
			return nil, nil, err
		}
		for i, noun := range batch {
			t := tagged[T]{noun, tags[ids[i]]}
			if !keep(t) {
				continue
			}
			if p.limit > 0 && len(kept) == p.limit {
				return kept, p.next(id(kept[len(kept)-1].noun)), nil
			}
			kept = append(kept, t)
		}
	}
	return kept, nil, nil
}

// batches yields the elements of a list in slices of up to n, which are
// reused.
func batches[T any](list iter.Seq2[T, error], n int) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		batch := make([]T, 0, n)
		for item, err := range list {
			if err != nil {
				yield(nil, err)
				return
			}
			if batch = append(batch, item); len(batch) == n {
				if !yield(batch, nil) {
					return
				}
				batch = batch[:0]
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

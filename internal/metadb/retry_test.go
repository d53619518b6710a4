package metadb

import (
	"errors"
	"testing"
)

// A row that is there already is an error when it was there three times.
// Conflicts of other kinds do not count: the first time may be the first look
// after another transaction put the row there.
func TestRetry(t *testing.T) {
	t.Parallel()
	lost, there := errors.New("lost a conflict"), errors.New("the row is there")
	db := &DB{dialect: &dialect{
		conflict:  func(err error) bool { return err == lost || err == there },
		duplicate: func(err error) bool { return err == there },
		full:      func(error) bool { return false },
	}}
	for name, tt := range map[string]struct {
		errs []error // of the attempts, in turn
		want error
	}{
		"at once":               {[]error{nil}, nil},
		"a race":                {[]error{there, nil}, nil},
		"a race after others":   {[]error{lost, lost, lost, there, nil}, nil},
		"there":                 {[]error{there, there, there, nil}, there},
		"there, between others": {[]error{there, lost, there, lost, there, nil}, there},
		"no conflict":           {[]error{ErrNotFound, nil}, ErrNotFound},
	} {
		n := 0
		err := db.retry(t.Context(), func() error { n++; return tt.errs[n-1] })
		if err != tt.want {
			t.Errorf("%s: got %v after %d attempts, want %v", name, err, n, tt.want)
		}
	}
}

package keywraptest_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"origami/internal/durable/durabletest"
	"origami/internal/keywrap"
	"origami/internal/keywrap/keyfile"
	"origami/internal/keywrap/keywraptest"
	"origami/internal/suitetest"
)

// broken is a root with a defect for each of its functions that is not nil.
type broken struct {
	keywrap.Root
	name   func(keywrap.Root, context.Context) (string, error)
	wrap   func(keywrap.Root, context.Context, []byte, string) ([]byte, error)
	unwrap func(keywrap.Root, context.Context, []byte, string) ([]byte, error)
}

func (b broken) Name(ctx context.Context) (string, error) {
	if b.name != nil {
		return b.name(b.Root, ctx)
	}
	return b.Root.Name(ctx)
}

func (b broken) Wrap(ctx context.Context, key []byte, purpose string) ([]byte, error) {
	if b.wrap != nil {
		return b.wrap(b.Root, ctx, key, purpose)
	}
	return b.Root.Wrap(ctx, key, purpose)
}

func (b broken) Unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error) {
	if b.unwrap != nil {
		return b.unwrap(b.Root, ctx, wrapped, purpose)
	}
	return b.Root.Unwrap(ctx, wrapped, purpose)
}

// TestSuite shows that the suite passes a root, and finds what each defect
// breaks.
func TestSuite(t *testing.T) {
	run := func(defect func() broken) func(*testing.T) {
		return func(t *testing.T) {
			fsys, b := durabletest.New(), defect()
			keywraptest.Run(t, func() keywrap.Root {
				b.Root = keyfile.New(fsys, "root.key")
				return b
			})
		}
	}
	t.Run("sound", run(func() broken { return broken{} }))
	suitetest.Fails(t, map[string]func(*testing.T){
		"does not wrap": run(func() broken {
			return broken{
				wrap:   func(_ keywrap.Root, _ context.Context, key []byte, _ string) ([]byte, error) { return key, nil },
				unwrap: func(_ keywrap.Root, _ context.Context, wrapped []byte, _ string) ([]byte, error) { return wrapped, nil },
			}
		}),
		"wraps the same to the same": run(func() broken {
			seen := map[string][]byte{}
			return broken{wrap: func(r keywrap.Root, ctx context.Context, key []byte, purpose string) (_ []byte, err error) {
				if seen[string(key)] == nil {
					seen[string(key)], err = r.Wrap(ctx, key, purpose)
				}
				return seen[string(key)], err
			}}
		}),
		"knows no purpose": run(func() broken {
			return broken{
				wrap: func(r keywrap.Root, ctx context.Context, key []byte, _ string) ([]byte, error) {
					return r.Wrap(ctx, key, "")
				},
				unwrap: func(r keywrap.Root, ctx context.Context, w []byte, _ string) ([]byte, error) {
					return r.Unwrap(ctx, w, "")
				},
			}
		}),
		"has another name each time": run(func() broken {
			n := 0
			return broken{name: func(r keywrap.Root, ctx context.Context) (string, error) {
				n++
				return string(rune('a' + n)), nil
			}}
		}),
		"has no name": run(func() broken {
			return broken{name: func(keywrap.Root, context.Context) (string, error) { return "", nil }}
		}),
		"has too long a name": run(func() broken {
			return broken{name: func(keywrap.Root, context.Context) (string, error) {
				return string(make([]byte, keywrap.MaxName+1)), nil
			}}
		}),
		"wraps nothing": run(func() broken {
			return broken{wrap: func(r keywrap.Root, ctx context.Context, key []byte, purpose string) ([]byte, error) {
				if len(key) == 0 {
					key = []byte{0}
				}
				return r.Wrap(ctx, key, purpose)
			}}
		}),
		"wraps too much": run(func() broken {
			return broken{wrap: func(r keywrap.Root, ctx context.Context, key []byte, purpose string) ([]byte, error) {
				return r.Wrap(ctx, key[:min(len(key), keywrap.MaxKey)], purpose)
			}}
		}),
		"wraps too little": run(func() broken {
			return broken{wrap: func(r keywrap.Root, ctx context.Context, key []byte, purpose string) ([]byte, error) {
				if len(key) > 32 {
					return nil, errors.New("too long")
				}
				return r.Wrap(ctx, key, purpose)
			}}
		}),
		"gives something back for damage": run(func() broken {
			return broken{unwrap: func(r keywrap.Root, ctx context.Context, w []byte, purpose string) ([]byte, error) {
				key, err := r.Unwrap(ctx, w, purpose)
				if err != nil {
					key = bytes.Repeat([]byte{1}, 32)
				}
				return key, err
			}}
		}),
		"calls damage otherwise": run(func() broken {
			return broken{unwrap: func(r keywrap.Root, ctx context.Context, w []byte, purpose string) ([]byte, error) {
				key, err := r.Unwrap(ctx, w, purpose)
				if err != nil {
					err = keywrap.ErrUnavailable
				}
				return key, err
			}}
		}),
		"reads no further than it must": run(func() broken {
			return broken{
				wrap: func(r keywrap.Root, ctx context.Context, key []byte, purpose string) ([]byte, error) {
					w, err := r.Wrap(ctx, key, purpose)
					return append(w, 0), err
				},
				unwrap: func(r keywrap.Root, ctx context.Context, w []byte, purpose string) ([]byte, error) {
					return r.Unwrap(ctx, w[:max(0, len(w)-1)], purpose)
				},
			}
		}),
	})
}

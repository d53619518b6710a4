package objstoretest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"origami/internal/durable/durabletest"
	"origami/internal/objstore"
	"origami/internal/objstore/dir"
	"origami/internal/objstore/objstoretest"
	"origami/internal/suitetest"
)

// broken is a bucket with a defect for each of its functions that is not nil.
type broken struct {
	objstore.Bucket
	create func(objstore.Bucket, context.Context, string) (objstore.ObjectWriter, error)
	readAt func(objstore.Bucket, context.Context, string, []byte, int64) error
	size   func(objstore.Bucket, context.Context, string) (int64, error)
	delete func(objstore.Bucket, context.Context, string) error
	list   func(all []string, prefix string) []string
}

func (b broken) Create(ctx context.Context, name string) (objstore.ObjectWriter, error) {
	if b.create != nil {
		return b.create(b.Bucket, ctx, name)
	}
	return b.Bucket.Create(ctx, name)
}

func (b broken) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	if b.readAt != nil {
		return b.readAt(b.Bucket, ctx, name, p, off)
	}
	return b.Bucket.ReadAt(ctx, name, p, off)
}

func (b broken) Size(ctx context.Context, name string) (int64, error) {
	if b.size != nil {
		return b.size(b.Bucket, ctx, name)
	}
	return b.Bucket.Size(ctx, name)
}

func (b broken) Delete(ctx context.Context, name string) error {
	if b.delete != nil {
		return b.delete(b.Bucket, ctx, name)
	}
	return b.Bucket.Delete(ctx, name)
}

func (b broken) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	if b.list == nil {
		return b.Bucket.List(ctx, prefix)
	}
	return func(yield func(string, error) bool) {
		var all []string
		for name, err := range b.Bucket.List(ctx, "") {
			if err != nil {
				yield("", err)
				return
			}
			all = append(all, name)
		}
		for _, name := range b.list(all, prefix) {
			if !yield(name, nil) {
				return
			}
		}
	}
}

// writer keeps what is written, and does commit with it.
type writer struct {
	bytes.Buffer
	done, late    bool // late: writes go on after Commit
	commit, abort func(ctx context.Context, data []byte) error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.done && !w.late {
		return 0, errors.New("done")
	}
	return w.Buffer.Write(p)
}

func (w *writer) Commit(ctx context.Context) error {
	w.done = true
	return w.commit(ctx, w.Bytes())
}

func (w *writer) Abort() error {
	if w.abort == nil || w.done {
		return nil
	}
	return w.abort(context.Background(), w.Bytes())
}

// store makes an object as it should be made.
func store(ctx context.Context, b objstore.Bucket, name string, data []byte) error {
	w, err := b.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit(ctx)
}

// writes is the defect of a Create whose writers commit, and if abort is not nil
// abort, in that way.
func writes(late bool, commit, abort func(ctx context.Context, b objstore.Bucket, name string, data []byte) error) broken {
	return broken{create: func(b objstore.Bucket, ctx context.Context, name string) (objstore.ObjectWriter, error) {
		probe, err := b.Create(ctx, name) // refuses what is to be refused
		if err != nil {
			return nil, err
		}
		w := &writer{late: late, commit: func(ctx context.Context, data []byte) error { return commit(ctx, b, name, data) }}
		if abort != nil {
			w.abort = func(ctx context.Context, data []byte) error { return abort(ctx, b, name, data) }
		}
		return w, probe.Abort()
	}}
}

func prefixed(all []string, prefix string) []string {
	return slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// TestSuite shows that the suite passes a bucket behind the double, and finds
// what each defect breaks.
func TestSuite(t *testing.T) {
	run := func(b broken) func(*testing.T) {
		return func(t *testing.T) {
			objstoretest.Run(t, func() objstore.Bucket {
				real, err := dir.Open(durabletest.New())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = real.Close() })
				b := b
				b.Bucket = real
				return b
			})
		}
	}
	t.Run("sound", run(writes(false, store, nil)))
	t.Run("sound list", run(broken{list: prefixed}))
	suitetest.Fails(t, map[string]func(*testing.T){
		"replaces": run(writes(false, func(ctx context.Context, b objstore.Bucket, name string, data []byte) error {
			if err := store(ctx, b, name, data); !errors.Is(err, objstore.ErrExist) {
				return err
			}
			return errors.Join(b.Delete(ctx, name), store(ctx, b, name, data))
		}, nil)),
		"keeps and does not say so": run(writes(false, func(ctx context.Context, b objstore.Bucket, name string, data []byte) error {
			if err := store(ctx, b, name, data); !errors.Is(err, objstore.ErrExist) {
				return err
			}
			return nil
		}, nil)),
		"replaces and says that it does not": run(writes(false, func(ctx context.Context, b objstore.Bucket, name string, data []byte) error {
			err := store(ctx, b, name, data)
			if errors.Is(err, objstore.ErrExist) {
				err = errors.Join(err, b.Delete(ctx, name), store(ctx, b, name, data))
			}
			return err
		}, nil)),
		"loses the last byte": run(writes(false, func(ctx context.Context, b objstore.Bucket, name string, data []byte) error {
			return store(ctx, b, name, data[:max(0, len(data)-1)])
		}, nil)),
		"writes after commit":  run(writes(true, store, nil)),
		"aborts by committing": run(writes(false, store, store)),
		"commits when cancelled": run(writes(false, func(ctx context.Context, b objstore.Bucket, name string, data []byte) error {
			return store(context.WithoutCancel(ctx), b, name, data)
		}, nil)),
		"visible before commit": run(broken{create: func(b objstore.Bucket, ctx context.Context, name string) (objstore.ObjectWriter, error) {
			w, err := b.Create(ctx, name)
			if err == nil {
				err = store(ctx, b, name, nil)
			}
			return w, err
		}}),
		"takes any name": run(broken{create: func(b objstore.Bucket, ctx context.Context, name string) (objstore.ObjectWriter, error) {
			if strings.HasPrefix(name, ".") {
				name = "x" + strings.Trim(name, "./")
			}
			return b.Create(ctx, name)
		}}),
		"reads beyond the end": run(broken{readAt: func(b objstore.Bucket, ctx context.Context, name string, p []byte, off int64) error {
			if err := b.ReadAt(ctx, name, p, off); !errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			return nil
		}}),
		"reads from the beginning": run(broken{readAt: func(b objstore.Bucket, ctx context.Context, name string, p []byte, off int64) error {
			if err := b.ReadAt(ctx, name, p, off); err != nil {
				return err
			}
			return b.ReadAt(ctx, name, p, 0)
		}}),
		"reads before the beginning": run(broken{readAt: func(b objstore.Bucket, ctx context.Context, name string, p []byte, off int64) error {
			return b.ReadAt(ctx, name, p, max(off, 0))
		}}),
		"reads when cancelled": run(broken{readAt: func(b objstore.Bucket, ctx context.Context, name string, p []byte, off int64) error {
			return b.ReadAt(context.WithoutCancel(ctx), name, p, off)
		}}),
		"has errors of its own": run(broken{size: func(b objstore.Bucket, ctx context.Context, name string) (int64, error) {
			n, err := b.Size(ctx, name)
			if err != nil {
				err = errors.New("not found")
			}
			return n, err
		}}),
		"counts one too many": run(broken{size: func(b objstore.Bucket, ctx context.Context, name string) (int64, error) {
			n, err := b.Size(ctx, name)
			return n + 1, err
		}}),
		"deletes nothing": run(broken{delete: func(objstore.Bucket, context.Context, string) error { return nil }}),
		"deletes once": run(broken{delete: func(b objstore.Bucket, ctx context.Context, name string) error {
			if _, err := b.Size(ctx, name); err != nil {
				return err
			}
			return b.Delete(ctx, name)
		}}),
		"deletes when cancelled": run(broken{delete: func(b objstore.Bucket, ctx context.Context, name string) error {
			return errors.Join(b.Delete(context.WithoutCancel(ctx), name), ctx.Err())
		}}),
		"lists backwards": run(broken{list: func(all []string, prefix string) []string {
			all = prefixed(all, prefix)
			slices.Reverse(all)
			return all
		}}),
		"lists all":        run(broken{list: func(all []string, _ string) []string { return all }}),
		"lists by segment": run(broken{list: func(all []string, prefix string) []string { return prefixed(all, strings.TrimSuffix(prefix, "/")+"/") }}),
		"lists all but one": run(broken{list: func(all []string, prefix string) []string {
			all = prefixed(all, prefix)
			return all[:max(0, len(all)-1)]
		}}),
	})
}

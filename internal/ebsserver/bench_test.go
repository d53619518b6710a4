package ebsserver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/klauspost/compress/zstd"

	"origami/disk/disktest"
)

// workers is how many clients the benchmarks have.
const workers = 64

// disk is a block whose first half compresses to nothing and whose second not
// at all; n makes it different from all others.
func disk(n int64) []byte {
	b := make([]byte, size)
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	for i := size / 2; i < size; i += 8 {
		v := rng.Uint64()
		for k := range 8 {
			b[i+k] = byte(v >> (8 * k))
		}
	}
	return b
}

// client sends requests without the SDK, which would be most of the work.
func client(addr string) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}}}
}

// each calls f from 64 workers at once (or as many processors, if these are more
// and do not divide 64), with numbers that none has twice.
func each(b *testing.B, f func(n int64) error) {
	var next atomic.Int64
	b.SetBytes(size)
	b.SetParallelism(workers / runtime.GOMAXPROCS(0)) // of which it starts as many as it is told, for each processor
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(next.Add(1) - 1); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// exchange sends a request and reads the answer into nothing.
func exchange(c *http.Client, r *http.Request, want int) error {
	answer, err := c.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != want {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("status %d: %s", answer.StatusCode, text)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// blocks are made before the clock runs.
const kept = 256

// keptBlocks are made up, or if ORIGAMI_BENCH_DISK names a raw disk, taken from the
// first thousand blocks of it that are not zero.
func keptBlocks(b *testing.B) (all [kept][]byte, sums [kept]string) {
	b.Helper()
	of := func(n int) []byte { return disk(int64(n)) }
	if name := os.Getenv("ORIGAMI_BENCH_DISK"); name != "" {
		const most = 1000
		data, err := disktest.Sample(name, most, size)
		if err != nil {
			b.Fatal(err)
		}
		of = func(n int) []byte {
			at := n * most / kept * size
			return data[at : at+size : at+size]
		}
	}
	for n := range all {
		all[n] = of(n)
		sum := sha256.Sum256(all[n])
		sums[n] = base64.StdEncoding.EncodeToString(sum[:])
	}
	return all, sums
}

// put is a signed request that writes a block.
func (a account) put(id string, n int64, data []byte, sum string) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodPut, fmt.Sprintf("%s/snapshots/%s/blocks/%d", a.i.url, id, n), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("X-Amz-Data-Length", strconv.Itoa(size))
	r.Header.Set("X-Amz-Checksum", sum)
	r.Header.Set("X-Amz-Checksum-Algorithm", "SHA256")
	return r, a.sign(r)
}

// sign signs as clients do, who do not hash the body for it.
func (a account) sign(r *http.Request) error {
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	return signer.SignHTTP(r.Context(), aws.Credentials{AccessKeyID: a.key.ID, SecretAccessKey: a.key.Secret}, r, "UNSIGNED-PAYLOAD", "ebs", string(home), time.Now())
}

var signer = v4.NewSigner()

// BenchmarkPut writes different blocks.
func BenchmarkPut(b *testing.B) {
	i := start(b)
	s, err := i.a.blocks(home).StartSnapshot(b.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(16384))})
	if err != nil {
		b.Fatal(err)
	}
	c := client(i.url[len("http://"):])
	all, sums := keptBlocks(b)
	each(b, func(n int64) error {
		r, err := i.a.put(*s.SnapshotId, n, all[n%kept], sums[n%kept])
		if err != nil {
			return err
		}
		return exchange(c, r, http.StatusCreated)
	})
}

// BenchmarkPutLimit is what nobody can be faster than on this machine with this
// client and server: the same requests, of which the server reads the body,
// hashes it and compresses it.
func BenchmarkPutLimit(b *testing.B) {
	benchPutLimit(b, func([]byte) error { return nil })
}

// BenchmarkPutLogLimit is the same, and appends what is compressed to a file that
// it syncs before it answers.
func BenchmarkPutLogLimit(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	l := plainLog{f: f}
	l.synced.L = &l.mu
	benchPutLimit(b, l.append)
}

func benchPutLimit(b *testing.B, keep func(packed []byte) error) {
	i := start(b)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(size), zstd.WithEncoderCRC(false))
	if err != nil {
		b.Fatal(err)
	}
	type buffers struct{ in, out []byte }
	free := make(chan *buffers, workers)
	for range workers {
		free <- &buffers{make([]byte, size), make([]byte, 0, size+size/8)}
	}
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := <-free
		defer func() { free <- buf }()
		if _, err := io.ReadFull(r.Body, buf.in); err != nil {
			b.Error(err)
		}
		_ = sha256.Sum256(buf.in)
		if err := keep(enc.EncodeAll(buf.in, buf.out[:0])); err != nil {
			b.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer door.Close()
	c := client(door.Listener.Addr().String())
	all, sums := keptBlocks(b)
	each(b, func(n int64) error {
		r, err := i.a.put("snap-0123456789abcdef0", n, all[n%kept], sums[n%kept])
		if err != nil {
			return err
		}
		return exchange(c, r, http.StatusCreated)
	})
}

// plainLog is the least that makes what many write durable: one file, and one
// sync for all who wait.
type plainLog struct {
	f               *os.File
	mu              sync.Mutex
	synced          sync.Cond // on mu
	end, durable    int64
	syncing, broken bool
}

func (l *plainLog) append(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.f.WriteAt(b, l.end); err != nil {
		return err
	}
	l.end += int64(len(b))
	for end := l.end; l.durable < end && !l.broken; {
		if l.syncing {
			l.synced.Wait()
			continue
		}
		upto := l.end
		l.syncing = true
		l.mu.Unlock()
		err := l.f.Sync()
		l.mu.Lock()
		l.syncing, l.broken = false, err != nil
		l.durable = upto
		l.synced.Broadcast()
	}
	if l.broken {
		return errors.New("the log cannot be synced")
	}
	return nil
}

// BenchmarkGet reads blocks.
func BenchmarkGet(b *testing.B) {
	i := start(b)
	blocks := make(map[int32][]byte)
	all, _ := keptBlocks(b)
	for n := range int32(kept) {
		blocks[n] = all[n]
	}
	id := i.a.make(b, nil, blocks)
	list, err := i.a.blocks(home).ListSnapshotBlocks(b.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: id})
	if err != nil {
		b.Fatal(err)
	}
	c := client(i.url[len("http://"):])
	each(b, func(n int64) error {
		l := list.Blocks[n%kept]
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/snapshots/%s/blocks/%d?blockToken=%s", i.url, *id, *l.BlockIndex, escape(*l.BlockToken)), nil)
		if err != nil {
			return err
		}
		if err := i.a.sign(r); err != nil {
			return err
		}
		return exchange(c, r, http.StatusOK)
	})
}

// BenchmarkGetLimit is the same for reading: the server decompresses a block,
// hashes it and writes it.
func BenchmarkGetLimit(b *testing.B) {
	i := start(b)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(size), zstd.WithEncoderCRC(false))
	if err != nil {
		b.Fatal(err)
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		b.Fatal(err)
	}
	var packed [kept][]byte
	all, _ := keptBlocks(b)
	for n := range packed {
		packed[n] = enc.EncodeAll(all[n], nil)
	}
	free := make(chan []byte, 2*workers)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var buf []byte
		select {
		case buf = <-free:
		default:
			buf = make([]byte, 0, size)
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		out, err := dec.DecodeAll(packed[n%kept], buf[:0])
		if err != nil {
			b.Error(err)
		}
		_ = sha256.Sum256(out)
		w.Header().Set("Content-Length", strconv.Itoa(len(out)))
		_, _ = w.Write(out)
		free <- buf
	}))
	defer door.Close()
	c := client(door.Listener.Addr().String())
	each(b, func(n int64) error {
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/?n=%d", door.URL, n), nil)
		if err != nil {
			return err
		}
		if err := i.a.sign(r); err != nil {
			return err
		}
		return exchange(c, r, http.StatusOK)
	})
}

func escape(token string) string { return url.QueryEscape(token) }

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"origami"
	"origami/disk"
	"origami/internal/blockstore"
	"origami/internal/localserver"
	"origami/internal/metadb"
	"origami/internal/overlay"
	"origami/internal/sigv4"
)

// argumentsVariable makes this test binary the program, with the arguments
// that it holds as JSON.
const argumentsVariable = "ORIGAMI_TEST_ARGUMENTS"

func TestMain(m *testing.M) {
	if text := os.Getenv(argumentsVariable); text != "" {
		var args []string
		if err := json.Unmarshal([]byte(text), &args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		os.Args = append(os.Args[:1], args...)
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// victim is a service in a process of its own, which is killed again and again
// while clients use it, and what was acknowledged to these.
type victim struct {
	t    *testing.T
	dir  dataDir
	cmd  *exec.Cmd
	log  *os.File
	env  environment
	disk origami.VolumeID
	host origami.InstanceID

	mu        sync.Mutex
	last      uint64              // number written; none is written twice
	issued    [victimSpots]uint64 // the last number written to each spot, answered or not
	answered  [victimSpots]uint64
	imports   map[origami.ImageID]uint64 // seed of the content
	snapshots map[origami.SnapshotID]window
	images    map[origami.ImageID]window
}

// window is what each spot may hold in a snapshot: what was written before the
// call, or what was issued before its answer.
type window struct{ from, to [victimSpots]uint64 }

const (
	victimSpots = 24
	victimStep  = 300 << 10 // from one spot to the next
	victimSize  = 2 << 20   // bytes of an imported disk
)

// start starts the service and waits until it says that it serves.
func (v *victim) start(ctx context.Context) {
	v.t.Helper()
	args, err := json.Marshal([]string{"serve", "--data-dir", string(v.dir), "--listen", "127.0.0.1:0", "--vmm", vmmNone,
		"--public-prefix", "127.78.0.0/24", "--log-level", "error"})
	if err != nil {
		v.t.Fatal(err)
	}
	v.cmd = exec.Command(os.Args[0])
	v.cmd.Env = append(os.Environ(), argumentsVariable+"="+string(args))
	v.cmd.Stderr = v.log
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	if !said.Scan() {
		v.t.Fatalf("the service did not start: %v", said.Err())
	}
	go io.Copy(io.Discard, out)
	if v.env, err = v.dir.environment(ctx, defaultAccount, ""); err != nil {
		v.t.Fatal(err)
	}
}

// end kills the service, or asks it to end.
func (v *victim) end(s os.Signal) {
	v.t.Helper()
	if err := v.cmd.Process.Signal(s); err != nil {
		v.t.Fatal(err)
	}
	err := v.cmd.Wait()
	if s == os.Interrupt && err != nil {
		v.t.Errorf("the service ended: %v", err)
	}
}

// call makes a request of the API.
func (v *victim) call(ctx context.Context, action string, params ...string) (string, error) {
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	body := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.env.Endpoint+"/", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	cred := sigv4.Credentials{AccessKeyID: v.env.AccessKey, Secret: v.env.Secret}
	if err := sigv4.Sign(req, []byte(body), cred, string(v.env.Region), "ec2", time.Now()); err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", action, resp.Status, answer)
	}
	return string(answer), err
}

// refused says that an error is an answer of a living service that is no success.
func (v *victim) refused(err error) bool {
	return err != nil && strings.Contains(err.Error(), " answers ")
}

// importOne imports a disk.
func (v *victim) importOne(ctx context.Context, seed uint64) (origami.ImageID, error) {
	f, err := os.CreateTemp(v.t.TempDir(), "disk")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Write(victimDisk(seed)); err != nil {
		return "", err
	}
	c := &localserver.Client{
		Socket: v.dir.socket(), Region: string(v.env.Region),
		Credentials: sigv4.Credentials{AccessKeyID: v.env.AccessKey, Secret: v.env.Secret},
	}
	img, err := c.Import(ctx, f, localserver.ImportRequest{Name: fmt.Sprintf("disk-%d", seed), Format: "raw"}, nil)
	if err != nil {
		return "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.imports[img.ID] = seed
	return img.ID, nil
}

func victimDisk(seed uint64) []byte {
	b := make([]byte, victimSize)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed+1)
	rand.NewChaCha8(key).Read(b[:len(b)/2])
	return b
}

// copyOf takes a copy of what spots hold.
func (v *victim) copyOf(spots *[victimSpots]uint64) [victimSpots]uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return *spots
}

var idPattern = regexp.MustCompile(`<(?:imageId|snapshotId|instanceId)>([a-z]+-[0-9a-f]+)<`)

// freeze takes a snapshot of the volume, or an image of the instance.
func (v *victim) freeze(ctx context.Context, image bool, name string) error {
	w := window{from: v.copyOf(&v.answered)}
	var answer string
	var err error
	if image {
		answer, err = v.call(ctx, "CreateImage", "InstanceId", string(v.host), "Name", name, "NoReboot", "true")
	} else {
		answer, err = v.call(ctx, "CreateSnapshot", "VolumeId", string(v.disk))
	}
	if err != nil {
		return err
	}
	w.to = v.copyOf(&v.issued)
	id := idPattern.FindStringSubmatch(answer)
	if id == nil {
		return fmt.Errorf("no ID in %s", answer)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if image {
		v.images[origami.ImageID(id[1])] = w
	} else {
		v.snapshots[origami.SnapshotID(id[1])] = w
	}
	return nil
}

// connect connects to the disk of the instance as its machine does.
func (v *victim) connect() (*nbdClient, error) {
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := dialNBD(v.dir.path("run/"+string(v.host)+".nbd"), string(v.disk))
		if err == nil {
			return c, nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return nil, err
		}
	}
}

// guest writes numbers to random spots until the connection breaks or ctx ends. First it
// looks at what it had written: every answered write is there, flushed or not,
// since the operating system lives on.
func (v *victim) guest(ctx context.Context, c *nbdClient, rng *rand.Rand) error {
	defer c.Close()
	found, err := readNumbers(c)
	if errors.Is(err, errTorn) {
		return err
	}
	if err != nil {
		return nil // killed
	}
	if err := v.look(found); err != nil {
		return err
	}
	for ctx.Err() == nil {
		spot := rng.IntN(victimSpots)
		v.mu.Lock()
		v.last++
		next := v.last
		v.issued[spot] = next
		v.mu.Unlock()
		if _, err := c.WriteAt(numbered(next), int64(spot)*victimStep); err != nil {
			return nil // killed
		}
		v.mu.Lock()
		v.answered[spot] = next
		v.mu.Unlock()
		if rng.IntN(30) == 0 && c.Flush() != nil {
			return nil
		}
	}
	return nil
}

// look compares what was found on the disk with what was written.
func (v *victim) look(found [victimSpots]uint64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, n := range found {
		if n != v.answered[i] && n != v.issued[i] {
			return fmt.Errorf("spot %d of the volume holds %d, want %d or %d", i, n, v.answered[i], v.issued[i])
		}
	}
	v.answered, v.issued = found, found
	return nil
}

// numbered is the unit that holds a number.
func numbered(n uint64) []byte {
	if n == 0 {
		return make([]byte, overlay.UnitSize)
	}
	return bytes.Repeat(binary.LittleEndian.AppendUint64(nil, n), overlay.UnitSize/8)
}

var errTorn = errors.New("torn")

func readNumbers(r io.ReaderAt) (found [victimSpots]uint64, err error) {
	p := make([]byte, overlay.UnitSize)
	for i := range found {
		if _, err := r.ReadAt(p, int64(i)*victimStep); err != nil {
			return found, err
		}
		found[i] = binary.LittleEndian.Uint64(p)
		if !bytes.Equal(p, numbered(found[i])) {
			return found, fmt.Errorf("spot %d is %w", i, errTorn)
		}
	}
	return found, nil
}

// TestKillService kills the service at random moments while disks are
// imported, snapshots and images are made and a guest writes. Every write that
// was answered to the guest is found after the next start. In the end every
// snapshot and image that was acknowledged is complete and holds what its
// volume held at that instant, and a check of all that is stored finds no
// damage.
func TestKillService(t *testing.T) {
	t.Parallel()
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	v := newVictim(t)
	v.start(ctx)
	v.prepare(ctx)
	rng := rand.New(rand.NewPCG(1, 9))
	for round := range rounds {
		v.load(ctx, rng, round, time.Duration(150+rng.IntN(800))*time.Millisecond)
		v.start(ctx)
	}
	v.complete(ctx)
	v.end(os.Interrupt)
	t.Logf("%d kills; %d imports, %d snapshots, %d images; %d writes", rounds, len(v.imports), len(v.snapshots), len(v.images), v.last)
	if len(v.imports) < 2 || len(v.snapshots)+len(v.images) < 2 {
		t.Error("too little was acknowledged to lose any of it")
	}
	v.verify(ctx)
}

func newVictim(t *testing.T) *victim {
	dir, err := os.MkdirTemp("/tmp", "origami") // sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{
		t: t, dir: dataDir(dir), log: log,
		imports: make(map[origami.ImageID]uint64), snapshots: make(map[origami.SnapshotID]window), images: make(map[origami.ImageID]window),
	}
	t.Cleanup(func() {
		if v.cmd != nil && v.cmd.ProcessState == nil {
			v.cmd.Process.Kill()
			v.cmd.Wait()
		}
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("the service said:\n%s", text[max(0, len(text)-8000):])
		}
		log.Close()
	})
	return v
}

// prepare launches the instance whose volume is written to.
func (v *victim) prepare(ctx context.Context) {
	v.t.Helper()
	img, err := v.importOne(ctx, 0)
	if err != nil {
		v.t.Fatal(err)
	}
	answer, err := v.call(ctx, "RunInstances", "ImageId", string(img), "InstanceType", "t3.nano", "MinCount", "1", "MaxCount", "1")
	if err != nil {
		v.t.Fatal(err)
	}
	v.host = origami.InstanceID(regexp.MustCompile(`<instanceId>(i-[0-9a-f]+)<`).FindStringSubmatch(answer)[1])
	v.until(ctx, "the instance runs", func() bool {
		answer, err := v.call(ctx, "DescribeInstances", "InstanceId.1", string(v.host))
		if err != nil {
			v.t.Fatal(err)
		}
		return strings.Contains(answer, "<name>running<")
	})
	v.until(ctx, "the instance has its disk", func() bool {
		answer, err := v.call(ctx, "DescribeVolumes", "Filter.1.Name", "attachment.instance-id", "Filter.1.Value.1", string(v.host))
		if err != nil {
			v.t.Fatal(err)
		}
		id := regexp.MustCompile(`<volumeId>(vol-[0-9a-f]+)<`).FindStringSubmatch(answer)
		if id != nil {
			v.disk = origami.VolumeID(id[1])
		}
		return id != nil
	})
	c, err := v.connect()
	if err != nil {
		v.t.Fatal(err)
	}
	defer c.Close()
	for i := range victimSpots {
		if _, err := c.WriteAt(numbered(0), int64(i)*victimStep); err != nil {
			v.t.Fatal(err)
		}
	}
}

func (v *victim) until(ctx context.Context, what string, done func() bool) {
	v.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			v.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// acknowledged counts imports, and snapshots and images.
func (v *victim) acknowledged() [2]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return [2]int{len(v.imports), len(v.snapshots) + len(v.images)}
}

// load uses the service and kills it after a while, but not before it has done
// something of a kind, which changes by round: lives that are too short for the
// machine show nothing. In every third life all that was pending ends, since
// work that is interrupted again and again is given up.
func (v *victim) load(ctx context.Context, rng *rand.Rand, round int, life time.Duration) {
	v.t.Helper()
	c, err := v.connect()
	if err != nil {
		v.t.Fatalf("round %d: the disk is not served again: %v", round, err)
	}
	before := v.acknowledged()
	working, stop := context.WithCancel(ctx)
	defer stop()
	var clients sync.WaitGroup
	seed := rng.Uint64()
	clients.Go(func() {
		if err := v.guest(working, c, rand.New(rand.NewPCG(seed, 0))); err != nil {
			v.t.Errorf("round %d: %v", round, err)
		}
	})
	repeat := func(f func(n int) error) {
		clients.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for n := 0; working.Err() == nil; n++ {
				err := f(round*10000 + n)
				var answered *localserver.Error
				switch {
				case err == nil:
				case !v.refused(err) && !errors.As(err, &answered):
					return // killed
				case !strings.Contains(err.Error(), "Limit"):
					v.t.Errorf("round %d: %v", round, err)
					return
				default: // too much is pending, of earlier lives too
					select {
					case <-tick.C:
					case <-working.Done():
					}
				}
			}
		})
	}
	repeat(func(n int) error { _, err := v.importOne(ctx, uint64(n)+1); return err })
	repeat(func(int) error { return v.freeze(ctx, false, "") })
	repeat(func(n int) error { return v.freeze(ctx, true, fmt.Sprintf("image-%d", n)) })
	<-time.After(life)
	kind := round % 2
	v.until(ctx, "something is acknowledged", func() bool { return v.acknowledged()[kind] > before[kind] })
	if round%3 == 2 {
		stop()
		clients.Wait()
		v.complete(ctx)
	}
	v.end(os.Kill)
	clients.Wait()
}

// complete waits until nothing is pending.
func (v *victim) complete(ctx context.Context) {
	v.t.Helper()
	for _, action := range []string{"DescribeSnapshots", "DescribeImages"} {
		v.until(ctx, "nothing is pending", func() bool {
			answer, err := v.call(ctx, action, "Owner.1", "self")
			if err != nil {
				v.t.Fatal(err)
			}
			return !strings.Contains(answer, ">pending<")
		})
	}
}

// verify checks all that is stored, with the command and against what was
// acknowledged.
func (v *victim) verify(ctx context.Context) {
	v.t.Helper()
	found, err := v.dir.check(ctx, rootKeys{}, false)
	if err != nil {
		v.t.Fatal(err)
	}
	if !found.Sound || len(found.Things) < len(v.snapshots) {
		v.t.Errorf("check finds %+v", found)
	}
	c, err := v.dir.openChecker(ctx, rootKeys{})
	if err != nil {
		v.t.Fatal(err)
	}
	defer c.close()
	err = c.db.View(ctx, func(tx *metadb.Tx) error {
		snapshots := maps.Clone(v.snapshots)
		for id, w := range v.images {
			img, err := tx.Image(v.env.Region, v.env.Account, id)
			if err != nil {
				return fmt.Errorf("image %s was acknowledged: %w", id, err)
			}
			if img.State != origami.ImageAvailable {
				return fmt.Errorf("image %s is %s: %+v", id, img.State, img)
			}
			snapshots[img.Snapshots()[0]] = w
		}
		for id, w := range snapshots {
			if err := v.verifySnapshot(ctx, c, tx, id, w); err != nil {
				return err
			}
		}
		for id, seed := range v.imports {
			img, err := tx.Image(v.env.Region, v.env.Account, id)
			if err != nil {
				return fmt.Errorf("image %s was acknowledged: %w", id, err)
			}
			got := make([]byte, victimSize)
			if err := readSnapshot(ctx, c, tx, v.env, img.Snapshots()[0], func(r io.ReaderAt) error {
				_, err := r.ReadAt(got, 0)
				return err
			}); err != nil {
				return err
			}
			if !bytes.Equal(got, victimDisk(seed)) {
				return fmt.Errorf("image %s is not what was imported", id)
			}
		}
		return nil
	})
	if err != nil {
		v.t.Error(err)
	}
	dev, err := overlay.Open(c.volumes, string(v.disk), func(label string) (disk.Image, error) {
		root, err := blockstore.ParseRoot(label)
		if err != nil {
			return nil, err
		}
		return c.store.Image(ctx, root)
	})
	if err != nil {
		v.t.Fatal(err)
	}
	last, err := readNumbers(dev)
	if err == nil {
		err = v.look(last)
	}
	if err := errors.Join(err, dev.Close()); err != nil {
		v.t.Error(err)
	}
}

func (v *victim) verifySnapshot(ctx context.Context, c *checker, tx *metadb.Tx, id origami.SnapshotID, w window) error {
	return readSnapshot(ctx, c, tx, v.env, id, func(r io.ReaderAt) error {
		found, err := readNumbers(r)
		if err != nil {
			return err
		}
		for i, n := range found {
			if n < w.from[i] || n > w.to[i] {
				return fmt.Errorf("spot %d of snapshot %s holds %d, want from %d to %d", i, id, n, w.from[i], w.to[i])
			}
		}
		return nil
	})
}

// readSnapshot gives the disk of a completed snapshot to f.
func readSnapshot(ctx context.Context, c *checker, tx *metadb.Tx, e environment, id origami.SnapshotID, f func(io.ReaderAt) error) error {
	snap, err := tx.Snapshot(e.Region, e.Account, id)
	if err != nil {
		return fmt.Errorf("snapshot %s was acknowledged: %w", id, err)
	}
	if snap.State != origami.SnapshotCompleted {
		return fmt.Errorf("snapshot %s is %s: %s", id, snap.State, snap.StateMessage)
	}
	root, err := blockstore.ParseRoot(snap.Root)
	if err != nil {
		return err
	}
	img, err := c.store.Image(ctx, root)
	if err != nil {
		return err
	}
	return f(img)
}

// nbdClient is a client of an NBD export, for one goroutine.
type nbdClient struct{ net.Conn }

// dialNBD connects to an export.
func dialNBD(socket, export string) (*nbdClient, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	hello := make([]byte, 8+8+2)
	_, err = io.ReadFull(conn, hello)
	if err == nil {
		ask := binary.BigEndian.AppendUint32(nil, 3) // fixed newstyle, no zeroes
		ask = append(ask, "IHAVEOPT"...)
		ask = binary.BigEndian.AppendUint32(ask, 1) // NBD_OPT_EXPORT_NAME
		ask = binary.BigEndian.AppendUint32(ask, uint32(len(export)))
		_, err = conn.Write(append(ask, export...))
	}
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 8+2))
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to export %s: %w", export, err)
	}
	return &nbdClient{conn}, nil
}

// do makes one request.
func (c *nbdClient) do(command uint16, off int64, n int, payload, into []byte) error {
	req := binary.BigEndian.AppendUint32(nil, 0x25609513)
	req = binary.BigEndian.AppendUint16(req, 0)
	req = binary.BigEndian.AppendUint16(req, command)
	req = binary.BigEndian.AppendUint64(req, 1)
	req = binary.BigEndian.AppendUint64(req, uint64(off))
	req = binary.BigEndian.AppendUint32(req, uint32(n))
	if _, err := c.Write(append(req, payload...)); err != nil {
		return err
	}
	head := make([]byte, 4+4+8)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	if e := binary.BigEndian.Uint32(head[4:]); e != 0 {
		return fmt.Errorf("NBD error %d", e)
	}
	_, err := io.ReadFull(c, into)
	return err
}

func (c *nbdClient) ReadAt(p []byte, off int64) (int, error) {
	if err := c.do(0, off, len(p), nil, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *nbdClient) WriteAt(p []byte, off int64) (int, error) {
	if err := c.do(1, off, len(p), p, nil); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *nbdClient) Flush() error { return c.do(3, 0, 0, nil, nil) }

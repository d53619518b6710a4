package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// fetchGoal is how much of an image's data may be fetched before its login
// prompt.
const fetchGoal = 0.26

// loginPrompt is what getty writes at the serial port.
var loginPrompt = []byte(" login: ")

// benchFetch measures how much a machine fetches from the store until it asks
// who is there. The image is of a whole Debian, and the service has just been
// started, so that nothing is in its cache. It counts what is read from packs:
// compressed blocks, those that are read a second time as well, and manifests.
func benchFetch(ctx context.Context, c *config, r *report) error {
	data, err := nonZero(c.debian)
	if err != nil {
		return err
	}
	dir := filepath.Join(c.work, "fetch")
	s, err := c.start(ctx, dir)
	if err != nil {
		return err
	}
	if _, err := s.importDisk(ctx, c.debian, "debian"); err != nil {
		return err
	}
	stored, err := s.stored()
	if err != nil {
		return err
	}
	if _, err := s.stop(); err != nil {
		return err
	}
	const metrics = "127.0.0.1:9774"
	if s, err = c.start(ctx, dir, "--metrics", metrics); err != nil {
		return err
	}
	began := time.Now()
	var took time.Duration
	var fetched int64
	blocks, err := s.bootToLogin(ctx, "debian", func() (err error) {
		took = time.Since(began)
		fetched, err = readMetric(ctx, metrics, "origami_store_read_bytes_total")
		return err
	})
	if err != nil {
		return err
	}
	r.printf("## Fetched to the login prompt\n\nA launch of the Debian image (%s) by a service that was just started: what is read from packs until the serial console says `login:`, after %.0f s.\n\n", describeFile(c.debian), took.Seconds())
	r.printf("| | MB | of the data that is not zero | goal |\n|---|---|---|---|\n")
	r.printf("| data that is not zero, in pages of 4 KiB | %.1f | | |\n", float64(data)/1e6)
	r.printf("| in the store | %.1f | %.3f | |\n", float64(stored)/1e6, float64(stored)/float64(data))
	r.printf("| fetched | %.1f | %.3f | ≤ %.2f |\n\n", float64(fetched)/1e6, float64(fetched)/float64(data), fetchGoal)
	r.printf("Of %d blocks with data %d were touched.\n\n", blocks.Data, blocks.Read)
	_, err = s.stop()
	return err
}

// nonZero is how many bytes of a file are in pages of 4 KiB that are not zero.
func nonZero(name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	page, zero := make([]byte, 4<<10), make([]byte, 4<<10)
	var total int64
	for {
		n, err := io.ReadFull(r, page)
		if !bytes.Equal(page[:n], zero[:n]) {
			total += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return total, nil
		case err != nil:
			return 0, err
		}
	}
}

// blocksRead is how many blocks of a volume there are, and were read.
type blocksRead struct {
	Read int64 `json:"blocksRead"`
	Data int64 `json:"blocksData"`
}

// bootToLogin launches an image, waits for its login prompt, calls prompted,
// asks what the volume has read, and terminates the machine.
func (s *service) bootToLogin(ctx context.Context, image string, prompted func() error) (blocksRead, error) {
	var usage struct {
		Volumes []blocksRead `json:"volumes"`
	}
	api, err := newClient(ctx, s)
	if err != nil {
		return blocksRead{}, err
	}
	id, err := api.imageID(ctx, image)
	if err != nil {
		return blocksRead{}, err
	}
	instance, err := api.run(ctx, id)
	if err != nil {
		return blocksRead{}, err
	}
	if err := awaitPrompt(ctx, filepath.Join(s.dir, "machines", instance, "console.log")); err != nil {
		return blocksRead{}, err
	}
	if err := prompted(); err != nil {
		return blocksRead{}, err
	}
	b, err := exec.CommandContext(ctx, s.c.origami, "usage", "--data-dir", s.dir, "--output", "json").Output()
	if err != nil {
		return blocksRead{}, fmt.Errorf("origami usage: %w", err)
	}
	if err := json.Unmarshal(b, &usage); err != nil {
		return blocksRead{}, err
	}
	if len(usage.Volumes) != 1 {
		return blocksRead{}, fmt.Errorf("%d volumes are in use, not 1: %s", len(usage.Volumes), b)
	}
	if err := api.terminate(ctx, instance); err != nil {
		return blocksRead{}, err
	}
	return usage.Volumes[0], api.await(ctx, instance, "terminated")
}

// awaitPrompt waits until a console has a login prompt. Emulation on a busy
// machine takes minutes.
func awaitPrompt(ctx context.Context, console string) error {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		said, err := os.ReadFile(console)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if bytes.Contains(said, loginPrompt) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no login prompt after %d bytes of console: %w", len(said), ctx.Err())
		}
	}
}

// readMetric asks the service for a metric without labels.
func readMetric(ctx context.Context, address, name string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("the service has no metric %s", name)
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(string(m[1])), 64)
	return int64(v), err
}

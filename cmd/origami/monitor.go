package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"origami/internal/metadb"
)

// monitor is what the service shows of itself on the listener of --metrics:
//
//	/metrics  in the format of Prometheus
//	/healthz  200 while the process lives
//	/readyz   200 while it serves: instances recovered, the queue at work, the
//	          database and the store's directory answering
//
// It stands beside the API, on which nothing is served unsigned.
type monitor struct {
	metrics *metrics
	shown   bool // there is a listener
	// check finds out whether the service works. It is nil until the service
	// serves and again when it stops.
	check atomic.Pointer[func(context.Context) error]
}

// readyTime bounds how long /readyz waits.
const readyTime = 2 * time.Second

func (m *monitor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.metrics.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, Timeout: 2 * scrapeTime, ErrorHandling: promhttp.ContinueOnError,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", m.ready)
	return mux
}

func (m *monitor) ready(w http.ResponseWriter, r *http.Request) {
	check := m.check.Load()
	if check == nil {
		say(w, http.StatusServiceUnavailable, "not serving: starting or stopping")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	if err := (*check)(ctx); err != nil {
		say(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	say(w, http.StatusOK, "ready")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // an error means that the client is gone
}

// checkAddress refuses an address for the monitor that others could reach,
// unless it is named in full: nothing there asks who they are.
func checkAddress(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--metrics: %w", err)
	}
	if host == "" {
		return fmt.Errorf("--metrics: %q names no host; 127.0.0.1%s keeps it on this one", address, address)
	}
	return nil
}

// openMonitor begins to serve the monitor if there is to be one, before
// anything else, so that it can tell that the rest is not ready.
func (s *service) openMonitor() error {
	s.monitor = &monitor{metrics: newMetrics()}
	if s.o.metrics == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.o.metrics)
	if err != nil {
		return fmt.Errorf("listen for --metrics: %w", err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(s.ctx))
	s.monitored = make(chan struct{})
	s.stopMonitor = stop
	s.metricsAddress = l.Addr().String()
	s.monitor.shown = true
	go func() {
		defer close(s.monitored)
		if err := serveHTTP(ctx, l, s.monitor.handler(), nil); err != nil {
			s.log.Error("serve metrics", "err", err)
		}
	}()
	return nil
}

// monitorText tells the person who started the service where the monitor is.
func (s *service) monitorText() string {
	if s.metricsAddress == "" {
		return ""
	}
	return fmt.Sprintf("\nMetrics are at http://%[1]s/metrics, health at http://%[1]s/healthz and /readyz.\n", s.metricsAddress)
}

// closeMonitor ends it, after everything else.
func (s *service) closeMonitor() {
	if s.stopMonitor != nil {
		s.stopMonitor()
		<-s.monitored
	}
}

// disk is what hears of requests to disks: nothing, if nobody can ask for it.
func (m *monitor) disk() func(command string, bytes int64, took time.Duration) {
	if !m.shown {
		return nil
	}
	return m.metrics.observeDisk
}

// working reports what does not work of the service.
func (s *service) working(ctx context.Context) error {
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		_, err := tx.Setting(settingEndpoint)
		return err
	})
	if err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	for _, err := range s.bucket.List(ctx, "pack/") {
		if err != nil {
			return fmt.Errorf("the store does not answer: %w", err)
		}
		break
	}
	return nil
}

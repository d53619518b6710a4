package main

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"origami/internal/blockstore"
	"origami/internal/ebsserver"
	"origami/internal/ec2api"
	"origami/internal/endpoint"
	"origami/internal/localserver"
	"origami/internal/metadb"
	"origami/internal/rbinserver"
)

// metrics are what Prometheus is told.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	bytes    *prometheus.CounterVec

	diskBytes    *prometheus.CounterVec
	diskDuration *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "origami_requests_total",
			Help: "Requests answered, by service, action, HTTP status and error code.",
		}, []string{"service", "action", "status", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "origami_request_duration_seconds",
			Help:    "Time from a request to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"service", "action"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "origami_response_bytes_total",
			Help: "Bytes of answers.",
		}, []string{"service"}),
		diskBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "origami_nbd_bytes_total",
			Help: "Bytes that requests of machines to their disks are about, by command.",
		}, []string{"command"}),
		diskDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "origami_nbd_request_duration_seconds",
			Help:    "Time that volumes take for requests of machines, by command.",
			Buckets: prometheus.ExponentialBuckets(16e-6, 4, 10), // 16 µs to 4 s
		}, []string{"command"}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.bytes, m.diskBytes, m.diskDuration,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observe counts a request. Words of clients that name nothing of ours are one
// label, so that nobody can make more of them.
func (m *metrics) observe(c endpoint.Call) {
	service, action := "other", "other"
	switch {
	case c.Service == "ec2" && ec2api.Known(c.Action), c.Service == "sts" && c.Action == "GetCallerIdentity":
		service, action = c.Service, c.Action
	case (c.Service == ebsserver.Service || c.Service == rbinserver.Service) && c.Action != "": // the door has named it
		service, action = c.Service, c.Action
	case c.Service == localserver.Service && localserver.Known(c.Action):
		service, action = c.Service, c.Action
	case c.Service == "ec2" || c.Service == "sts" || c.Service == ebsserver.Service || c.Service == rbinserver.Service || c.Service == localserver.Service:
		service = c.Service
	}
	m.requests.WithLabelValues(service, action, strconv.Itoa(c.Status), string(c.Code)).Inc()
	m.duration.WithLabelValues(service, action).Observe(c.Duration.Seconds())
	m.bytes.WithLabelValues(service).Add(float64(c.Bytes))
}

// observeDisk counts a request of a machine to a disk.
func (m *metrics) observeDisk(command string, bytes int64, took time.Duration) {
	m.diskBytes.WithLabelValues(command).Add(float64(bytes))
	m.diskDuration.WithLabelValues(command).Observe(took.Seconds())
}

// scrapeTime bounds how long a scrape waits for the database.
const scrapeTime = 5 * time.Second

// state tells Prometheus the state of the service when it asks.
type state struct {
	db    *metadb.DB
	store *blockstore.Store
}

// description is a metric that state reads.
func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// storeMetric is a metric of the block store.
type storeMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(blockstore.Stats) int64
}

func (state) storeMetrics() []storeMetric {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	return []storeMetric{
		{description("origami_store_bytes", "Bytes in packs."), gauge, func(s blockstore.Stats) int64 { return s.StoredBytes }},
		{description("origami_store_packs", "Packs."), gauge, func(s blockstore.Stats) int64 { return s.Packs }},
		{description("origami_store_garbage_packs", "Packs that the index did not know when the service started."), gauge, func(s blockstore.Stats) int64 { return s.Garbage }},
		{description("origami_store_written_bytes_total", "Bytes of new records: what imports and snapshots have stored."), counter, func(s blockstore.Stats) int64 { return s.BytesStored }},
		{description("origami_store_read_bytes_total", "Bytes read from packs."), counter, func(s blockstore.Stats) int64 { return s.BytesRead }},
		{description("origami_store_read_blocks_total", "Blocks or frames read from packs."), counter, func(s blockstore.Stats) int64 { return s.BlocksRead }},
		{description("origami_store_cache_hits_total", "Reads of blocks and manifest nodes that the cache answered."), counter, func(s blockstore.Stats) int64 { return s.CacheHits }},
		{description("origami_store_cache_misses_total", "Reads of blocks and manifest nodes that the cache did not answer."), counter, func(s blockstore.Stats) int64 { return s.CacheMisses }},
		{description("origami_store_cache_bytes", "Bytes of decoded blocks and nodes in memory."), gauge, func(s blockstore.Stats) int64 { return s.CacheBytes }},
	}
}

var (
	tasksDesc     = description("origami_tasks", "Tasks, with those that ended in the last days, by kind and state.", "kind", "state")
	instancesDesc = description("origami_instances", "Instances by region and state.", "region", "state")
)

// Describe implements [prometheus.Collector].
func (s state) Describe(to chan<- *prometheus.Desc) {
	for _, m := range s.storeMetrics() {
		to <- m.desc
	}
	to <- tasksDesc
	to <- instancesDesc
}

// Collect implements [prometheus.Collector].
func (s state) Collect(to chan<- prometheus.Metric) {
	stats := s.store.Stats()
	for _, m := range s.storeMetrics() {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, float64(m.value(stats)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	var tasks, instances []metadb.Count
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		if tasks, err = tx.CountTasks(); err != nil {
			return err
		}
		instances, err = tx.CountInstances()
		return err
	})
	if err != nil {
		to <- prometheus.NewInvalidMetric(tasksDesc, err)
		return
	}
	for _, c := range tasks {
		to <- prometheus.MustNewConstMetric(tasksDesc, prometheus.GaugeValue, float64(c.N), c.Words...)
	}
	for _, c := range instances {
		to <- prometheus.MustNewConstMetric(instancesDesc, prometheus.GaugeValue, float64(c.N), c.Words...)
	}
}

package partition

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/services/recorder/internal/table"
)

// Metrics are what the recorder measures of itself.
type Metrics struct {
	lag, lagSeconds                   *prometheus.GaugeVec
	rows, retries, rejected, found    *prometheus.CounterVec
	blockRows, insertSeconds, visible *prometheus.HistogramVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	name := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "leeward", Subsystem: "recorder", Name: name, Help: help}
	}
	histogram := func(o prometheus.Opts, label string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: o.Namespace, Subsystem: o.Subsystem, Name: o.Name, Help: o.Help, Buckets: buckets}, []string{label})
	}
	seconds := prometheus.ExponentialBuckets(0.005, 2, 14)
	m := &Metrics{
		lag:           prometheus.NewGaugeVec(prometheus.GaugeOpts(name("lag_messages", "Messages from the last one that is in ClickHouse to the newest of the partition; those of the stream's other partitions between them count.")), []string{"partition"}),
		lagSeconds:    prometheus.NewGaugeVec(prometheus.GaugeOpts(name("lag_seconds", "How long the oldest message that was read and is not in ClickHouse has been waiting.")), []string{"partition"}),
		rows:          prometheus.NewCounterVec(prometheus.CounterOpts(name("rows_total", "Rows inserted, replays included.")), []string{"table"}),
		retries:       prometheus.NewCounterVec(prometheus.CounterOpts(name("retries_total", "Steps that had to be tried again.")), []string{"partition"}),
		rejected:      prometheus.NewCounterVec(prometheus.CounterOpts(name("rejected_total", "Messages sent to the dead letters.")), []string{"partition"}),
		found:         prometheus.NewCounterVec(prometheus.CounterOpts(name("found_total", "Inserts that were not sent again because their rows were found in ClickHouse.")), []string{"partition"}),
		blockRows:     histogram(name("block_rows", "Rows of a block."), "partition", prometheus.ExponentialBuckets(1, 4, 11)),
		insertSeconds: histogram(name("insert_seconds", "Seconds of an INSERT that worked."), "table", seconds),
		visible:       histogram(name("visible_seconds", "Seconds from the bus storing the oldest message of a block until it can be queried."), "partition", seconds),
	}
	r.MustRegister(m.lag, m.lagSeconds, m.rows, m.retries, m.rejected, m.found, m.blockRows, m.insertSeconds, m.visible)
	return m
}

// begin shows a partition's counters before anything happens, so that the first time it does is seen as an increase.
func (m *Metrics) begin(partition string) {
	m.retries.WithLabelValues(partition)
	m.rejected.WithLabelValues(partition)
	m.found.WithLabelValues(partition)
}

// end forgets the lag of a partition that another recorder has from now on.
func (m *Metrics) end(partition string) {
	m.lag.DeleteLabelValues(partition)
	m.lagSeconds.DeleteLabelValues(partition)
}

// behind shows how far a partition is from its end; oldest is when the first message that waits was stored.
func (m *Metrics) behind(partition string, messages uint64, oldest time.Time) {
	m.lag.WithLabelValues(partition).Set(float64(messages))
	waiting := 0.0
	if !oldest.IsZero() {
		waiting = max(0, time.Since(oldest).Seconds())
	}
	m.lagSeconds.WithLabelValues(partition).Set(waiting)
}

// landed counts a block that is in.
func (m *Metrics) landed(partition string, b *block, tables []table.Rows) {
	for _, t := range tables {
		m.rows.WithLabelValues(t.Table).Add(float64(t.Count))
	}
	m.rejected.WithLabelValues(partition).Add(float64(len(b.refused)))
	if !b.empty() {
		m.blockRows.WithLabelValues(partition).Observe(float64(b.rows))
		m.visible.WithLabelValues(partition).Observe(time.Since(b.stored).Seconds())
	}
}

package partition

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/services/recorder/internal/table"
)

// Metrics are what the recorder measures of itself.
type Metrics struct {
	lag                               *prometheus.GaugeVec
	rows, retries, rejected           *prometheus.CounterVec
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
		lag:           prometheus.NewGaugeVec(prometheus.GaugeOpts(name("lag_messages", "Messages of the stream that are not in ClickHouse yet.")), []string{"partition"}),
		rows:          prometheus.NewCounterVec(prometheus.CounterOpts(name("rows_total", "Rows inserted, replays included.")), []string{"table"}),
		retries:       prometheus.NewCounterVec(prometheus.CounterOpts(name("retries_total", "Steps that had to be tried again.")), []string{"partition"}),
		rejected:      prometheus.NewCounterVec(prometheus.CounterOpts(name("rejected_total", "Messages sent to the dead letters.")), []string{"partition"}),
		blockRows:     histogram(name("block_rows", "Rows of a block."), "partition", prometheus.ExponentialBuckets(1, 4, 11)),
		insertSeconds: histogram(name("insert_seconds", "Seconds of an INSERT that worked."), "table", seconds),
		visible:       histogram(name("visible_seconds", "Seconds from the bus storing the oldest message of a block until it can be queried."), "partition", seconds),
	}
	r.MustRegister(m.lag, m.rows, m.retries, m.rejected, m.blockRows, m.insertSeconds, m.visible)
	return m
}

// begin shows a partition's counters before anything happens, so that the first time it does is seen as an increase.
func (m *Metrics) begin(partition string) {
	m.retries.WithLabelValues(partition)
	m.rejected.WithLabelValues(partition)
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

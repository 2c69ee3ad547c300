package bus

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are a connection's own figures.
type metrics struct{ lost, letters, expired prometheus.Counter }

func newMetrics() metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "leeward_bus_" + name, Help: help})
	}
	return metrics{
		lost:    counter("disconnects_total", "Times the connection to the bus was lost."),
		letters: counter("letters_total", "Messages that could not be read and went to the dead letters."),
		expired: counter("expired_events_total", "Events that were too old to act on when they arrived."),
	}
}

// register shows the figures of a connection.
func (b *Bus) register(r prometheus.Registerer) {
	r.MustRegister(b.metrics.lost, b.metrics.letters, b.metrics.expired,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "leeward_bus_connected", Help: "Whether the service is connected to the bus."}, func() float64 {
			if b.Ready() != nil {
				return 0
			}
			return 1
		}))
}

package projector

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// meters are what metrics say about projections. Only who leads one reports it.
type meters struct {
	runner *Runner

	mu   sync.Mutex
	lags map[string]Lag
}

var (
	lagFacts   = prometheus.NewDesc("cis_projection_lag_facts", "Facts of its streams that a projection has not seen, counted up to 10,000.", []string{"projection"}, nil)
	lagSeconds = prometheus.NewDesc("cis_projection_lag_seconds", "Since the first fact was recorded that a projection has not seen.", []string{"projection"}, nil)
	stopped    = prometheus.NewDesc("cis_projection_stopped", "1: a projection stands still; the log says at which fact and why.", []string{"projection"}, nil)
)

// Collector reports how far the projections are that this process leads.
func (r *Runner) Collector() prometheus.Collector { return r.meters }

// Describe is for Prometheus.
func (m *meters) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagFacts
	ch <- lagSeconds
	ch <- stopped
}

// Collect is for Prometheus.
func (m *meters) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.runner.Status() {
		if !s.Leading {
			continue
		}
		still := 0.0
		if s.Stopped != "" {
			still = 1
		}
		ch <- prometheus.MustNewConstMetric(lagFacts, prometheus.GaugeValue, float64(m.lags[s.Name].Facts), s.Name)
		ch <- prometheus.MustNewConstMetric(lagSeconds, prometheus.GaugeValue, m.lags[s.Name].Seconds, s.Name)
		ch <- prometheus.MustNewConstMetric(stopped, prometheus.GaugeValue, still, s.Name)
	}
}

// run measures now and then. What has caught up is not behind; only the others cost a look at the log.
func (m *meters) run(ctx context.Context) {
	const every, most = 5 * time.Second, 10_000
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for _, p := range m.runner.all {
			p.mu.Lock()
			position, behind := p.position, p.leader.held.Load() && (!p.caughtUp || p.stopped != nil)
			p.mu.Unlock()
			var lag Lag
			if behind {
				looking, cancel := context.WithTimeout(ctx, every)
				lag, _ = Behind(looking, p.store, p.p, position, most)
				cancel()
			}
			m.mu.Lock()
			m.lags[p.p.Name] = lag
			m.mu.Unlock()
		}
	}
}

package readapi

import (
	"net/http"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health answers whether the process lives, and whether it is ready.
type Health struct {
	// Missing says what is not ready yet, in words; nothing: ready.
	Missing  func() []string
	Registry *prometheus.Registry
}

// Register adds /livez, /readyz and /metrics, which need no key: they say nothing about anybody.
func (h Health) Register(r *mux.Router) {
	r.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	}).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/readyz", h.ready).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/metrics", promhttp.HandlerFor(h.Registry, promhttp.HandlerOpts{})).Methods(http.MethodGet)
}

// ready is 200 once mail is accepted and every projection has caught up.
func (h Health) ready(w http.ResponseWriter, _ *http.Request) {
	missing := h.Missing()
	if len(missing) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, m := range missing {
			_, _ = w.Write([]byte(m + "\n"))
		}
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

package main

import (
	"context"
	"os"

	"github.com/calendar-invite-server/cis/ingest/api"
	"github.com/calendar-invite-server/cis/ingest/orders"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/readapi"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

func newOpenAPI() *cobra.Command {
	return &cobra.Command{
		Use: "openapi", Short: "Print the API's description (OpenAPI 3.1)", Args: cobra.NoArgs,
		Long: `Print the API's description (OpenAPI 3.1), as a running server has it at /openapi.json. It is made from the code that
serves the routes: what it says is what is checked.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := readConfig(os.Getenv)
			if err != nil {
				return err
			}
			doc := httpapi.New(mux.NewRouter(), httpapi.Options{PublicURL: cfg.PublicURL, Version: version, Origins: func(context.Context, string) []string { return nil }})
			registerAPI(doc, readapi.New(nil, readapi.Options{Live: readapi.NewLive(nil, nil, prometheus.NewRegistry())}), api.New(api.Options{}))
			_, err = cmd.OutOrStdout().Write(append(doc.Document(), '\n'))
			return err
		},
	}
}

// registerAPI adds every route that the description knows.
func registerAPI(to *httpapi.API, reads *readapi.API, writes *api.API) {
	reads.Register(to)
	writes.Register(to)
	orders.Describe(to)
}

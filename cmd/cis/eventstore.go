package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/calendar-invite-server/cis/internal/eventstore/embedded"
	"github.com/spf13/cobra"
)

func newEventStore() *cobra.Command {
	var listen, dir string
	cmd := &cobra.Command{
		Use: "eventstore", Short: "Serve the embedded event store alone, over TCP", Args: cobra.NoArgs,
		Long: `Serve the embedded event store alone: the EventStoreDB protocol over TCP without TLS or passwords. Whoever
reaches the port can read and write everything, so listen on loopback or a private network only.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				cfg, _, err := readConfig(os.Getenv)
				if err != nil {
					return err
				}
				dir = filepath.Join(cfg.Data, "eventstore")
			}
			tuneGC()
			s, err := embedded.Open(dir, listen)
			if errors.Is(err, embedded.ErrLocked) {
				return fmt.Errorf("%w: end the running cis first, or name another folder with --dir", err)
			}
			if err != nil {
				return err
			}
			defer s.Close()
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "event store on esdb://%s?tls=false, folder %s\n", s.Addr(), dir)
			<-cmd.Context().Done()
			return nil
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:2113", "host:port to listen on")
	cmd.Flags().StringVar(&dir, "dir", "", "folder of the store (default CIS_DATA/eventstore)")
	return cmd
}

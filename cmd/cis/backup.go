package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/history/backup"
	"github.com/calendar-invite-server/cis/history/erasure"
	"github.com/calendar-invite-server/cis/history/move"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/eventstore/embedded"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// errExternal refuses to copy a store that is not ours.
var errExternal = errors.New("the log is in EventStoreDB: back it up, and bring it back, by that server's own means; then copy vault.db, and after bringing both back run `cis fence set`")

func newBackup() *cobra.Command {
	var asJSON, withSecret bool
	o := backup.Options{}
	cmd := &cobra.Command{
		Use: "backup FOLDER", Short: "Copy the log and the keys, while everything runs", Args: cobra.ExactArgs(1),
		Long: `Copy the log and the keys into a new folder inside FOLDER, named for the time; the copy is consistent while everything
runs. Keep the keys apart from the log, with --keys, and for less long: who was erased must not live on in an old copy of them.
The secret (CIS_SECRET, or the file CIS_DATA/secret) is not copied unless you say so: without it the copy opens nothing, so
keep it in a third place. The database is filled from the log again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
				if p.cfg.EventStore != "" {
					return errExternal
				}
				head, err := p.store.Head(ctx)
				if err != nil {
					return err
				}
				n, err := p.notary()
				if err != nil {
					return err
				}
				c, err := n.Latest(ctx)
				if err != nil {
					return err
				}
				if withSecret {
					if o.Secret = p.cfg.secretFile(); p.cfg.Secret != "" {
						return errors.New("the secret is in CIS_SECRET, not in a file: keep it yourself")
					}
					if _, err := os.Stat(p.cfg.vaultKeyFile()); err == nil {
						o.VaultKey = p.cfg.vaultKeyFile()
					}
				}
				bar := newBar(cmd.ErrOrStderr())
				o.Data, o.To, o.Now = p.cfg.Data, args[0], time.Now()
				o.LogID, o.KeyFingerprint, o.Position, o.Checkpoint = p.logID, p.keys.Fingerprint(), head, c.Note
				o.Tell = func(phase string) { bar.show(projector.JobProgress{Phase: phase}) }
				taken, err := backup.Take(ctx, o)
				bar.end()
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), taken)
				}
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "log   %s\nkeys  %s\n", taken.Log, taken.Keys)
				if o.Keys == "" {
					_, _ = fmt.Fprintln(cmd.OutOrStdout(), "the keys are with the log: keep them apart (--keys), and for less long")
				}
				if !withSecret {
					_, err = fmt.Fprintln(cmd.OutOrStdout(), "the secret is not in it: without it, nobody can read it, you neither; keep it in a third place")
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&o.Keys, "keys", "", "another folder for the keys")
	cmd.Flags().BoolVar(&withSecret, "with-secret", false, "copy the secret's file beside the keys")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newRestore() *cobra.Command {
	var keys string
	cmd := &cobra.Command{
		Use: "restore FOLDER", Short: "Bring a backup back into an empty CIS_DATA", Args: cobra.ExactArgs(1),
		Long: `Bring a backup back into an empty CIS_DATA. The log cannot know what was sent and done after the backup was made; so what it
thinks is owed is held until you have looked: ` + "`cis fence status`, then `release` or `drop`" + `. Who was erased before the backup of
the log is erased again, whatever the copy of the keys holds.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := readConfig(os.Getenv)
			if err != nil {
				return err
			}
			if cfg.EventStore != "" {
				return errExternal
			}
			m, err := backup.Restore(cfg.Data, args[0], keys, func(staged string, m backup.Manifest) error {
				return fence(cmd.Context(), *cfg, staged, m)
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "the log of %s is back, up to position %d\nwhat it owes is held: start the server, see `cis fence status`, then `cis fence release`, or `drop` what was sent since\n",
				m.Taken.Format(time.RFC3339), m.Position)
			return err
		},
	}
	cmd.Flags().StringVar(&keys, "keys", "", "the folder with the copy of the keys, if it is apart")
	return cmd
}

// secretFile is where the secret is, if it is in a file.
func (c *Config) secretFile() string {
	if c.SecretFile != "" {
		return c.SecretFile
	}
	return filepath.Join(c.Data, "secret")
}

// fence opens what was brought back, before it is put in place, and has it say so.
func fence(ctx context.Context, cfg Config, staged string, m backup.Manifest) error {
	if cfg.Secret == "" {
		file := cfg.secretFile()
		if _, err := os.Stat(file); err != nil {
			file = filepath.Join(staged, "secret")
		}
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("the secret with the fingerprint %s is needed: put it into %s, or set CIS_SECRET or CIS_SECRET_FILE", m.KeyFingerprint, cfg.secretFile())
		}
		cfg.SecretFile = file
	}
	if _, err := os.Stat(cfg.vaultKeyFile()); err == nil {
		cfg.VaultKeyFile = cfg.vaultKeyFile()
	}
	cfg.Data = staged
	p, err := openLog(ctx, &cfg, newLogger(os.Stderr, cfg.LogLevel))
	if err != nil {
		return err
	}
	defer p.close()
	return p.fence(ctx, m.Taken)
}

// fence has the log say that it was brought back, and destroys keys again that it says were destroyed.
func (p *parts) fence(ctx context.Context, taken time.Time) error {
	if _, err := erasure.Repeat(ctx, p.facts); err != nil {
		return fmt.Errorf("erasing again who was erased: %w", err)
	}
	_, err := p.handler().ForLog(ctx, commands.From("operator", "", uuid.NewString(), 0), commands.RestoreLog{Taken: taken, By: operator()})
	return err
}

func newFence() *cobra.Command {
	cmd := &cobra.Command{
		Use: "fence", Short: "See what is held since the log was brought back from a backup, and let it go",
		Long: `A log that was brought back from a backup cannot know what was sent and done after the backup was made. What it thinks is
owed, mails to be sent, mails received and not handled, tables of people, is held until somebody has looked. New requests are
not: they are dealt with at once.`,
	}
	cmd.AddCommand(newFenceStatus(), newFenceSet(),
		newFenceRelease("release", "Let what is held go on: all of it, or mails, inbox or tables", false),
		newFenceRelease("drop", "Take mails that are held as sent", true))
	return cmd
}

// held is what a fence holds.
type held struct {
	Mails  []notifier.Fenced `json:"mails"`
	Inbox  int               `json:"inbox"`
	Tables int               `json:"tables"`
}

func newFenceStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "List what is held", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) (err error) {
				head, err := p.store.Head(ctx)
				if err != nil {
					return err
				}
				var h held
				for _, name := range []string{"ledger", "inbox", "bulk"} { // without a server, this process brings them up to date
					if err := p.keeper().Seen(ctx, name, head); err != nil {
						return err
					}
				}
				h.Mails, err = notifier.ListFenced(ctx, p.pool)
				if err == nil {
					h.Inbox, err = inbox.Fenced(ctx, p.pool)
				}
				if err == nil {
					h.Tables, err = bulk.Fenced(ctx, p.pool)
				}
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), h)
				}
				return printHeld(cmd.OutOrStdout(), h)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printHeld(w io.Writer, h held) error {
	if len(h.Mails) == 0 && h.Inbox == 0 && h.Tables == 0 {
		_, err := fmt.Fprintln(w, "nothing is held")
		return err
	}
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "TENANT\tKIND\tABOUT\tMAILS")
	for _, m := range h.Mails {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\n", m.Tenant, m.Kind, m.Subject, m.Mails)
	}
	_, _ = fmt.Fprintf(t, "\nreceived mails not handled: %d\ntables not worked off: %d\n", h.Inbox, h.Tables)
	return t.Flush()
}

func newFenceSet() *cobra.Command {
	return &cobra.Command{
		Use: "set", Short: "Hold what is owed now: after bringing a log back by other means", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
				if err := p.fence(ctx, time.Time{}); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "what is owed is held; `cis fence status` lists it")
				return err
			})
		},
	}
}

func newFenceRelease(use, short string, drop bool) *cobra.Command {
	c := commands.ReleaseOwed{Drop: drop}
	cmd := &cobra.Command{
		Use: use + " [WHAT]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				c.What = args[0]
			}
			if len(args) == 0 && (drop || c.Kind != "" || c.Subject != "") {
				c.What = logbook.Mails
			}
			c.By = operator()
			return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
				_, err := p.handler().ForLog(ctx, commands.From("operator", "", uuid.NewString(), 0), c)
				if err == nil {
					_, err = fmt.Fprintln(cmd.OutOrStdout(), map[bool]string{false: "released", true: "dropped"}[drop])
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&c.Kind, "kind", "", "only mails of this kind (cis fence status)")
	cmd.Flags().StringVar(&c.Subject, "about", "", "only mails about this event, or this other thing")
	return cmd
}

func newMigrateStore() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "migrate-store --from STORE --to STORE", Short: "Copy the log from one store to another: embedded, or esdb://…", Args: cobra.NoArgs,
		Long: `Copy the log from one store to another, record by record, with ids, order and times; "embedded" is the one in CIS_DATA.
End the server first. An interrupted run goes on where it was. Afterwards start the server with the other store (EVENTSTORE_URL)
and an empty database: positions are others there, so it is filled again. The keys (vault.db) and the secret stay where they are.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return migrate(cmd, from, to)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "embedded, or esdb://…")
	cmd.Flags().StringVar(&to, "to", "", "embedded, or esdb://…")
	return cmd
}

func migrate(cmd *cobra.Command, from, to string) error {
	ctx := cmd.Context()
	if from == "" || to == "" || from == to {
		return errors.New("name two stores, --from and --to: embedded, or esdb://…")
	}
	cfg, _, err := readConfig(os.Getenv)
	if err != nil {
		return err
	}
	keys, err := cfg.keys()
	if err != nil {
		return err
	}
	var clients [2]*eventstore.Client
	for i, url := range []string{from, to} {
		if url == "embedded" {
			socket, err := storeSocket(cfg.Data)
			if err != nil {
				return err
			}
			server, err := embedded.Open(filepath.Join(cfg.Data, "eventstore"), "unix:"+socket)
			if errors.Is(err, embedded.ErrLocked) {
				return fmt.Errorf("%w: end the server first", err)
			}
			if err != nil {
				return err
			}
			defer server.Close()
			url = "esdb+unix://" + socket
		}
		if clients[i], err = eventstore.Dial(url, newLogger(os.Stderr, cfg.LogLevel)); err != nil {
			return err
		}
		defer clients[i].Close()
	}
	v, err := cfg.openVault(keys.Wrapping())
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	if list, _, err := facts.NewLog(clients[0], v).Load(ctx, logbook.Stream); err != nil || len(list) == 0 {
		return errors.Join(fmt.Errorf("there is no log in %s", from), err)
	}
	if _, _, err := facts.NewLog(clients[0], v).OpenLog(ctx, keys.Fingerprint()); err != nil {
		return err
	}
	bar := newBar(cmd.ErrOrStderr())
	n, err := move.Log(ctx, clients[0], clients[1], counting(bar, "copying"))
	bar.end()
	if err != nil {
		return err
	}
	moved := facts.NewLog(clients[1], v)
	_, revision, err := moved.Load(ctx, logbook.Stream)
	if err != nil {
		return err
	}
	if _, err := moved.Append(ctx, logbook.Stream, revision, facts.Meta{Command: uuid.New(), Actor: "operator"}, logbook.LogMoved{By: operator()}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d records copied; start the server with that store and an empty database\n", n)
	return err
}

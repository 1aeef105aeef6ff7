package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/history/proof"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/spf13/cobra"
	gomail "github.com/wneessen/go-mail"
)

// notary signs the log.
func (p *parts) notary() (*proof.Notary, error) {
	key, err := proof.NewKey(p.logID, p.keys.Signing())
	return &proof.Notary{
		Log: p.facts, LogID: p.place, Key: key, Dir: filepath.Join(p.cfg.Data, "proof"),
		Every: time.Duration(p.cfg.CheckpointMinutes) * time.Minute, Logger: p.log,
	}, err
}

// mailCheckpoint mails one checkpoint a day.
func (c *Config) mailCheckpoint(t notifier.Transport) proof.Publisher {
	from := c.Sender
	if from == "" {
		from = "notification@" + c.Domain
	}
	day := ""
	return func(ctx context.Context, p proof.Checkpoint) error {
		today := p.At.Format(time.DateOnly)
		if today == day {
			return nil
		}
		id := fmt.Sprintf("<checkpoint.%s.%d@%s>", today, p.Size, c.Domain)
		msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingB64))
		if err := errors.Join(msg.From(from), msg.To(c.CheckpointMail)); err != nil {
			return err
		}
		msg.Subject(fmt.Sprintf("Checkpoint of %s, %s", c.Domain, today))
		msg.SetMessageIDWithValue(strings.Trim(id, "<>"))
		msg.SetDateWithValue(p.At)
		msg.SetGenHeader("Auto-Submitted", "auto-generated")
		msg.SetBodyString(gomail.TypeTextPlain, "Keep this mail: it can prove later that the log was not changed.\n\n"+p.Note)
		var b bytes.Buffer
		if _, err := msg.WriteTo(&b); err != nil {
			return err
		}
		data := b.Bytes()
		if c.dkim != nil {
			var err error
			if data, err = c.dkim.SignFrom(data, from); err != nil {
				return err
			}
		}
		_, err := t.Send(ctx, notifier.Envelope{From: from, To: c.CheckpointMail, ID: id, Data: data})
		if err == nil {
			day = today
		}
		return err
	}
}

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Look at what happened, and prove that it was not changed",
		Long: `All records of the log are the leaves of a Merkle tree whose root is signed every few minutes (CIS_CHECKPOINT_MINUTES), in
the log itself and wherever CIS_CHECKPOINT_URL and CIS_CHECKPOINT_MAIL send it. What was signed cannot be changed unnoticed.`,
	}
	cmd.AddCommand(newAuditShow(), newAuditSearch(), newAuditKey(), newAuditCheckpoint(), newAuditVerify(), newAuditExport(), newAuditProve(), newAuditCheck())
	return cmd
}

// withNotary runs a command about the proof of the log.
func withNotary(cmd *cobra.Command, do func(context.Context, *parts, *proof.Notary) error) error {
	return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
		n, err := p.notary()
		if err != nil {
			return err
		}
		return do(ctx, p, n)
	})
}

func newAuditKey() *cobra.Command {
	return &cobra.Command{
		Use: "key", Short: "Print the public key that checkpoints are signed with, to be published", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withNotary(cmd, func(_ context.Context, _ *parts, n *proof.Notary) error {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), n.Key)
				return err
			})
		},
	}
}

func newAuditCheckpoint() *cobra.Command {
	return &cobra.Command{
		Use: "checkpoint", Short: "Sign all that is in the log now, and print the checkpoint", Args: cobra.NoArgs,
		Long: "Sign all that is in the log now, and print the checkpoint. While the server is signing at the same moment, its newest one is printed.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withNotary(cmd, func(ctx context.Context, _ *parts, n *proof.Notary) error {
				c, err := n.Sign(ctx)
				if errors.Is(err, proof.ErrTaken) {
					c, err = n.Latest(ctx)
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), c.Note)
				return err
			})
		},
	}
}

// counting shows how many records have been gone through.
func counting(b *bar, phase string) func(int64) {
	begin := time.Now()
	return func(n int64) {
		b.show(projector.JobProgress{Phase: fmt.Sprintf("%s: %d records, %.0f/s", phase, n, float64(n)/time.Since(begin).Seconds())})
	}
}

func newAuditVerify() *cobra.Command {
	var export, keyText string
	var checkpoints []string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Compare all records with what was signed, and name what was changed, removed, added or moved", Args: cobra.NoArgs,
		Long: `Compare all records of the log, or of an export, with the checkpoints in it and with others that were kept elsewhere
(--checkpoint). Exit status 1 if anything differs. An export needs no server and no secret: give the key that was published with --key.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bar := newBar(cmd.ErrOrStderr())
			verify := func(ctx context.Context, source proof.Source, key proof.Key, tree *proof.Tree) error {
				if keyText != "" {
					var err error
					if key, err = proof.ParseKey(keyText); err != nil {
						return err
					}
				}
				elsewhere, err := readCheckpoints(key, checkpoints)
				if err != nil {
					return err
				}
				report, err := proof.Verify(ctx, source, key, tree, elsewhere, counting(bar, "verifying"))
				bar.end()
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(cmd.OutOrStdout(), report)
				} else {
					err = printReport(cmd.OutOrStdout(), report, key, keyText != "" || export == "")
				}
				if err == nil && len(report.Findings) > 0 {
					err = proof.ErrChanged
				}
				return err
			}
			if export != "" {
				f, err := os.Open(export)
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				source, key, err := proof.FromExport(f)
				if err != nil {
					return err
				}
				return verify(cmd.Context(), source, key, nil)
			}
			return withNotary(cmd, func(ctx context.Context, p *parts, n *proof.Notary) error {
				tree, err := proof.OpenTree(n.Dir, n.LogID, false)
				if errors.Is(err, fs.ErrNotExist) {
					err = nil
				}
				if err != nil {
					return err
				}
				if tree != nil {
					defer tree.Close()
				}
				return verify(ctx, proof.FromStore(p.store), n.Key, tree)
			})
		},
	}
	cmd.Flags().StringVar(&export, "export", "", "a file of `cis audit export` instead of the log")
	cmd.Flags().StringVar(&keyText, "key", "", "the key that was published (cis audit key)")
	cmd.Flags().StringArrayVar(&checkpoints, "checkpoint", nil, "a file with a checkpoint that was kept elsewhere; may be given several times")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func readCheckpoints(key proof.Key, files []string) (list []proof.Checkpoint, err error) {
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		c, err := key.Open(string(raw))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, c)
	}
	return list, nil
}

func printReport(w io.Writer, r proof.Report, key proof.Key, trusted bool) error {
	for _, f := range r.Findings {
		_, _ = fmt.Fprintln(w, f)
	}
	if len(r.Findings) > 0 && !r.Named {
		_, _ = fmt.Fprintln(w, "the hashes of single records are not at hand, or were changed, too: it can only be said between which checkpoints something was changed")
	}
	if !trusted {
		_, _ = fmt.Fprintf(w, "checked with the key that the file names; compare it with the one that was published:\n  %s\n", key)
	}
	if r.At == nil {
		_, err := fmt.Fprintf(w, "%d records, none of them signed yet\n", r.Records)
		return err
	}
	_, err := fmt.Fprintf(w, "%d records; the first %d are as they were signed at %s (%d checkpoints compared)\n", r.Records, r.Signed, r.At.Format(time.RFC3339), r.Checkpoints)
	return err
}

func newAuditExport() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "export", Short: "Write all records, sealed as they are stored, as lines of JSON that others can verify", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withNotary(cmd, func(ctx context.Context, p *parts, n *proof.Notary) error {
				w := cmd.OutOrStdout()
				if out != "" {
					f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
					if err != nil {
						return err
					}
					defer func() { _ = f.Close() }()
					w = f
				}
				bar := newBar(cmd.ErrOrStderr())
				records, err := proof.Export(ctx, w, n.Key, proof.FromStore(p.store), counting(bar, "exporting"))
				bar.end()
				if err == nil && out != "" {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d records in %s\n", records, out)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "a file; default standard output")
	return cmd
}

func newAuditProve() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "prove STREAM@REVISION", Short: "Write a file that proves that a record is in the log", Args: cobra.ExactArgs(1),
		Long: `Write a file that proves that a record is in the log, to whoever has the key that was published (cis audit check). The
record is in it as it is stored, what is personal sealed. ` + "`cis audit show` and /v1/history say where a fact stands.",
		RunE: func(cmd *cobra.Command, args []string) error {
			stream, number, ok := strings.Cut(args[0], "@")
			revision, err := strconv.ParseUint(number, 10, 64)
			if !ok || err != nil {
				return fmt.Errorf("%q does not say STREAM@REVISION", args[0])
			}
			return withNotary(cmd, func(ctx context.Context, p *parts, n *proof.Notary) error {
				records, err := p.store.ReadStream(ctx, stream, revision)
				if err != nil {
					return err
				}
				if len(records) == 0 || records[0].Revision != revision {
					return fmt.Errorf("%s has no revision %d", stream, revision)
				}
				inclusion, err := n.Prove(ctx, records[0])
				if errors.Is(err, proof.ErrNotYet) { // unless the server signs, which it does every few minutes
					if _, err = n.Sign(ctx); err == nil {
						inclusion, err = n.Prove(ctx, records[0])
					}
				}
				if err != nil {
					return err
				}
				if out == "" {
					return printJSON(cmd.OutOrStdout(), inclusion)
				}
				raw, err := json.MarshalIndent(inclusion, "", "  ")
				if err == nil {
					err = os.WriteFile(out, append(raw, '\n'), 0o600)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "a file; default standard output")
	return cmd
}

func newAuditCheck() *cobra.Command {
	var keyText string
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Check a file of `cis audit prove`; needs no server and no secret", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			var p proof.Inclusion
			if err := json.Unmarshal(raw, &p); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if keyText == "" {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "checked with the key that the file names; compare it with the one that was published:\n  %s\n", p.Key)
				keyText = p.Key
			}
			key, err := proof.ParseKey(keyText)
			if err != nil {
				return err
			}
			if err := p.Check(key); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s@%d, a %s of %s, is record %d of the log that was signed\n", p.Record.Stream, p.Record.Revision, p.Record.Type, p.Record.Created.Format(time.RFC3339), p.Index)
			return err
		},
	}
	cmd.Flags().StringVar(&keyText, "key", "", "the key that was published (cis audit key)")
	return cmd
}

package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/spf13/cobra"
)

func newRecipients() *cobra.Command {
	cmd := &cobra.Command{Use: "recipients", Aliases: []string{"recipient"}, Short: "Look at who gets no mail, and decide about it"}
	wants := func(use, short, said string, undo bool) *cobra.Command {
		return forRecipient(use+" ADDRESS", short, said, 1, func(id string, _ []string, p *parts) (commands.Command[recipient.State, recipient.Fact], error) {
			return commands.Unsubscribe{Tenant: p.tenant, RecipientID: id, Undo: undo, By: operator()}, nil
		})
	}
	works := func(use, short, said string, restore bool) *cobra.Command {
		return forRecipient(use+" ADDRESS", short, said, 1, func(id string, _ []string, p *parts) (commands.Command[recipient.State, recipient.Fact], error) {
			return commands.SuppressRecipient{Tenant: p.tenant, RecipientID: id, Status: "operator", Restore: restore, By: operator()}, nil
		})
	}
	blocks := func(use, short, said string, undo bool) *cobra.Command {
		return forRecipient(use+" ADDRESS ORGANIZER", short, said, 2, func(id string, args []string, p *parts) (commands.Command[recipient.State, recipient.Fact], error) {
			organizer, err := p.organizerID(context.Background(), args[1])
			return commands.BlockOrganizer{Tenant: p.tenant, RecipientID: id, OrganizerID: organizer, Undo: undo, By: operator()}, err
		})
	}
	cmd.AddCommand(
		newRecipientsList(), newRecipientsShow(),
		works("suppress", "Send nothing to an address any more", "gets nothing any more", false),
		works("restore", "Send to an address again that mail came back from, or that complained", "is sent to again", true),
		wants("unsubscribe", "Record that somebody wants no invitations", "gets no invitations any more", false),
		wants("resubscribe", "Record that they want them again", "gets invitations again", true),
		blocks("block", "Record that somebody wants nothing of an organizer", "gets nothing of them any more", false),
		blocks("unblock", "Record that they want it again", "gets their invitations again", true),
		newRecipientsErase(),
	)
	return cmd
}

// forRecipient is a command about one address.
func forRecipient(use, short, said string, args int, command func(id string, args []string, p *parts) (commands.Command[recipient.State, recipient.Fact], error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(args),
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				if !address.Valid(args[0]) {
					return "", invitation.ErrAddress.With(args[0])
				}
				c, err := command(p.keys.PersonID(p.tenant, args[0]), args, p)
				if err == nil {
					_, err = h.ForRecipient(ctx, meta, c)
				}
				return strings.ToLower(args[0]) + " " + said, err
			})
		},
	}
}

func newRecipientsList() *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List who gets nothing: suppressed or unsubscribed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				list, err := notifier.ListSilent(ctx, p.pool, p.tenant, limit)
				if err != nil {
					return err
				}
				ids := make([]string, len(list))
				for i, s := range list {
					ids[i] = s.Recipient
				}
				p.disclose(ctx, "cis recipients list", "")
				people, err := attendees.NewReader(p.pool).People(ctx, p.tenant, ids)
				if err != nil {
					return err
				}
				type line struct {
					Address      string `json:"address,omitempty"` // unknown of who was never invited
					ID           string `json:"id"`
					Suppressed   bool   `json:"suppressed"`
					Unsubscribed bool   `json:"unsubscribed"`
				}
				lines := make([]line, len(list))
				for i, s := range list {
					lines[i] = line{people[s.Recipient].Address, s.Recipient, s.Suppressed, s.Unsubscribed}
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), lines)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "ADDRESS\tSUPPRESSED\tUNSUBSCRIBED\tID")
				for _, l := range lines {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Address, yes(l.Suppressed), yes(l.Unsubscribed), l.ID)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&limit, "limit", 100, "people at most")
	return cmd
}

func newRecipientsShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ADDRESS", Short: "Show whether an address gets mail, and from whom it does not", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !address.Valid(args[0]) {
				return invitation.ErrAddress.With(args[0])
			}
			return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
				h, id := p.handler(), p.keys.PersonID(p.tenant, args[0])
				p.disclose(ctx, "cis recipients show", id)
				s, err := h.Recipient(ctx, id)
				if err != nil {
					return err
				}
				shown := struct {
					Address      string   `json:"address"`
					Suppressed   bool     `json:"suppressed"`
					Unsubscribed bool     `json:"unsubscribed"`
					Erased       bool     `json:"erased"`
					Blocked      []string `json:"blocked"`
				}{strings.ToLower(args[0]), s.Suppressed, s.Unsubscribed, s.Erased, []string{}}
				for id := range s.Blocked {
					o, err := h.Organizer(ctx, id)
					if err != nil {
						return err
					}
					shown.Blocked = append(shown.Blocked, o.Address)
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), shown)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "suppressed: %v\nunsubscribed: %v\nerased: %v\nblocked: %s\n", shown.Suppressed, shown.Unsubscribed, shown.Erased, strings.Join(shown.Blocked, ", "))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

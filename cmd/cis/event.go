package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

func newEvent() *cobra.Command {
	cmd := &cobra.Command{Use: "event", Short: "Decide for an event's organizer"}
	cmd.AddCommand(newEventPolicy(), newDeclineCounter(), newWithdraw())
	return cmd
}

func newEventPolicy() *cobra.Command {
	var crashers string
	cmd := &cobra.Command{
		Use: "policy UID --crashers add|hold|cancel", Short: "Say how answers of people who were never invited are taken", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, _ *parts) (string, error) {
				_, err := h.ForEvent(ctx, meta, commands.ChangePolicy{UID: args[0], Crashers: event.Crashers(crashers)})
				return "party crashers: " + crashers, err
			})
		},
	}
	cmd.Flags().StringVar(&crashers, "crashers", "add", "add: they become attendees; hold: somebody decides (cis mail held); cancel: it leaves their calendar")
	return cmd
}

func newDeclineCounter() *cobra.Command {
	return &cobra.Command{
		Use: "decline-counter UID ADDRESS", Short: "Tell an attendee that their proposal is not taken up", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !address.Valid(args[1]) {
				return invitation.ErrAddress
			}
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				_, err := h.ForInvitation(ctx, meta, commands.DeclineCounter{Tenant: tenant, EventUID: args[0], AttendeeID: p.keys.PersonID(tenant, args[1])})
				return "declined; " + strings.ToLower(args[1]) + " is told", err
			})
		},
	}
}

func newWithdraw() *cobra.Command {
	return &cobra.Command{
		Use: "withdraw UID ADDRESS", Short: "Take somebody off an event; their calendar is told, nobody else's", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				_, err := h.ForInvitation(ctx, meta, commands.WithdrawInvite{Tenant: tenant, EventUID: args[0], AttendeeID: p.keys.PersonID(tenant, args[1]), By: operator()})
				return strings.ToLower(args[1]) + " is no longer invited", err
			})
		},
	}
}

func newRecipient() *cobra.Command {
	cmd := &cobra.Command{Use: "recipient", Short: "Decide about a mail address"}
	cmd.AddCommand(&cobra.Command{
		Use: "restore ADDRESS", Short: "Send to an address again that mail came back from", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				_, err := h.ForRecipient(ctx, meta, commands.SuppressRecipient{
					Tenant: tenant, RecipientID: p.keys.PersonID(tenant, args[0]), Restore: true, By: operator(),
				})
				return "mail is sent to " + strings.ToLower(args[0]) + " again", err
			})
		},
	})
	return cmd
}

// order carries out one command of an operator's.
func order(cmd *cobra.Command, do func(context.Context, *commands.Handler, commands.Meta, *parts) (string, error)) error {
	return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
		said, err := do(ctx, p.handler(), commands.From("operator", tenant, uuid.NewString(), 0), p)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
		return err
	})
}

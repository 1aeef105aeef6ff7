package main

import (
	"context"
	"errors"
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
	var reminders []string
	var limit int
	cmd := &cobra.Command{
		Use: "policy UID", Short: "Say how an event is dealt with: forwarded invitations, reminders, bulk invitations", Args: cobra.ExactArgs(1),
		Example: "  cis event policy UID --crashers hold --reminders 24h,1h --invite-limit 5000",
		RunE: func(cmd *cobra.Command, args []string) error {
			var list []commands.Command[event.State, event.Fact]
			var said []string
			if cmd.Flags().Changed("crashers") {
				list = append(list, commands.ChangePolicy{UID: args[0], Crashers: event.Crashers(crashers)})
				said = append(said, "party crashers: "+crashers)
			}
			if cmd.Flags().Changed("reminders") {
				list = append(list, commands.ChangeReminders{UID: args[0], Before: reminders, By: operator()})
				said = append(said, "reminders: "+strings.Join(reminders, ", "))
			}
			if cmd.Flags().Changed("invite-limit") {
				list = append(list, commands.ChangeInviteLimit{UID: args[0], Limit: limit, By: operator()})
				said = append(said, fmt.Sprintf("bulk invitations: %s", map[bool]string{true: "any number", false: fmt.Sprint(limit)}[limit == 0]))
			}
			if len(list) == 0 {
				return errors.New("say what to change: --crashers, --reminders or --invite-limit")
			}
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, _ *parts) (string, error) {
				for i, c := range list {
					if _, err := h.ForEvent(ctx, commands.Aside(meta, fmt.Sprint(i)), c); err != nil {
						return "", err
					}
				}
				return strings.Join(said, "\n"), nil
			})
		},
	}
	cmd.Flags().StringVar(&crashers, "crashers", "add", "answers of people who were never invited: add (they become attendees), hold (somebody decides: cis mail held), cancel (it leaves their calendar)")
	cmd.Flags().StringSliceVar(&reminders, "reminders", nil, `when attendees are reminded by mail, like 24h,1h or daily@12:00; "" for never`)
	cmd.Flags().IntVar(&limit, "invite-limit", 0, "people who may be invited in bulk; 0: any number")
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
				_, err := h.ForInvitation(ctx, meta, commands.DeclineCounter{Tenant: p.tenant, EventUID: args[0], AttendeeID: p.keys.PersonID(p.tenant, args[1])})
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
				_, err := h.ForInvitation(ctx, meta, commands.WithdrawInvite{Tenant: p.tenant, EventUID: args[0], AttendeeID: p.keys.PersonID(p.tenant, args[1]), By: operator()})
				return strings.ToLower(args[1]) + " is no longer invited", err
			})
		},
	}
}

// order carries out one command of an operator's.
func order(cmd *cobra.Command, do func(context.Context, *commands.Handler, commands.Meta, *parts) (string, error)) error {
	return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
		h := p.handler()
		if _, err := h.Tenant(ctx, p.tenant); err != nil {
			return err
		}
		meta := commands.From("operator", p.tenant, uuid.NewString(), 0)
		meta.By = operator()
		said, err := do(ctx, h, meta, p)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
		return err
	})
}

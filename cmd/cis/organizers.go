package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/identity"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/calendar-invite-server/cis/projections/organizers"
	"github.com/calendar-invite-server/cis/projections/statistics"
	"github.com/spf13/cobra"
)

func newOrganizers() *cobra.Command {
	cmd := &cobra.Command{
		Use: "organizers", Short: "Look at organizers' accounts and decide about them",
		Long: `An account begins with the first event somebody asks for, or with what an operator decides about an address. Every
decision is a fact with the name of who made it.`,
	}
	cmd.AddCommand(
		newOrganizersList(), newOrganizersShow(), newOrganizersSet(), newOrganizersLink(),
		newJudgeOrganizer(commands.Suspend, "Let an account do nothing but cancel its events; its invitations wait", "suspended"),
		newJudgeOrganizer(commands.Reinstate, "Let a suspended account act again", "reinstated"),
		newJudgeOrganizer(commands.AllowBulk, "Allow an account to send in bulk", "may send in bulk"),
		newJudgeOrganizer(commands.ForbidBulk, "Take the right to send in bulk away", "may not send in bulk any more"),
	)
	return cmd
}

// organizerLine is an account as operators see it.
type organizerLine struct {
	Address   string    `json:"address"`
	Name      string    `json:"name,omitempty"`
	ID        string    `json:"id"`
	Events    int       `json:"events"`
	Limit     int       `json:"limit"` // 0: none
	Paid      bool      `json:"paid"`
	Suspended bool      `json:"suspended"`
	Bulk      bool      `json:"bulk"`
	Language  string    `json:"language,omitempty"`
	First     time.Time `json:"first,omitzero"`
}

func newOrganizersList() *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List accounts, newest change first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				list, err := organizers.NewReader(p.pool).Newest(ctx, p.tenant, organizers.Cursor{}, limit)
				if err != nil {
					return err
				}
				ids := make([]string, len(list))
				for i, o := range list {
					ids[i] = o.ID
				}
				p.disclose(ctx, "cis organizers list", "")
				people, err := attendees.NewReader(p.pool).People(ctx, p.tenant, ids)
				if err != nil {
					return err
				}
				lines := make([]organizerLine, len(list))
				for i, o := range list {
					lines[i] = organizerLine{
						Address: people[o.ID].Address, Name: people[o.ID].Name, ID: o.ID, Events: o.Events, Paid: o.Paid > 0, Suspended: o.Suspended,
						Bulk: o.Bulk, Language: o.Language, First: o.First.UTC(), Limit: p.limitOf(o.Limit, o.Paid > 0),
					}
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), lines)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "ADDRESS\tEVENTS\tLIMIT\tPAID\tBULK\tSUSPENDED\tFIRST SEEN")
				for _, l := range lines {
					_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", l.Address, l.Events, orNone(l.Limit), yes(l.Paid), yes(l.Bulk), yes(l.Suspended), l.First.Format(time.DateOnly))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&limit, "limit", 100, "accounts at most")
	return cmd
}

// limitOf is how many events an account may have; 0: any number.
func (p *parts) limitOf(own *int, paid bool) int {
	switch {
	case own != nil:
		return *own
	case paid:
		return 0
	}
	return p.cfg.Limits.Events
}

func orNone(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func newOrganizersShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ADDRESS", Short: "Show an account, its events' numbers, and what was refused it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				id, err := p.organizerID(ctx, args[0])
				if err != nil {
					return err
				}
				s, err := p.handler().Organizer(ctx, id)
				if err != nil {
					return err
				}
				if !s.Exists {
					return organizer.ErrUnknown.With(args[0])
				}
				p.disclose(ctx, "cis organizers show", id)
				numbers, err := statistics.NewReader(p.pool).Organizer(ctx, p.tenant, id)
				if err != nil {
					return err
				}
				newest, err := events.NewReader(p.pool).Find(ctx, p.tenant, events.Filter{OrganizerID: id, Limit: 20})
				if err != nil {
					return err
				}
				shown := struct {
					organizerLine
					Attendees int64            `json:"attendees"`
					RSVP      map[string]int64 `json:"rsvp"`
					Denied    map[string]int64 `json:"denied"`
					Newest    []shownEvent     `json:"newest_events"`
				}{
					organizerLine: organizerLine{
						Address: s.Address, Name: s.Name, ID: id, Events: len(s.Slots), Limit: p.limitOf(s.Limit, s.Subscribed()), Paid: s.Subscribed(),
						Suspended: s.Suspended, Bulk: s.Bulk, Language: s.Language,
					},
					Attendees: numbers.Attendees, RSVP: numbers.RSVP, Denied: numbers.Denied, Newest: []shownEvent{},
				}
				for _, e := range newest {
					shown.Newest = append(shown.Newest, shownEvent{e.UID, e.Summary, e.Status, e.Starts.UTC()})
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), shown)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintf(w, "Address\t%s\nName\t%s\nEvents\t%d of %s\nPaid\t%s\nBulk\t%s\nSuspended\t%s\nLanguage\t%s\nAttendees\t%d\n",
					shown.Address, shown.Name, shown.Events, orNone(shown.Limit), yes(shown.Paid), yes(shown.Bulk), yes(shown.Suspended), shown.Language, shown.Attendees)
				for _, status := range []string{"accepted", "tentative", "declined", "noaction"} {
					_, _ = fmt.Fprintf(w, "  %s\t%d\n", status, shown.RSVP[status])
				}
				for reason, n := range shown.Denied {
					_, _ = fmt.Fprintf(w, "  not invited: %s\t%d\n", reason, n)
				}
				for _, e := range shown.Newest {
					_, _ = fmt.Fprintf(w, "%s\t%s  %s  %s\n", e.UID, e.Starts.Format(time.DateTime), e.Status, e.Summary)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type shownEvent struct {
	UID     string    `json:"uid"`
	Summary string    `json:"summary"`
	Status  string    `json:"status"`
	Starts  time.Time `json:"starts"`
}

// organizerID is whose account an address belongs to.
func (p *parts) organizerID(ctx context.Context, addr string) (string, error) {
	if !address.Valid(addr) {
		return "", organizer.ErrAddress.With(addr)
	}
	id := p.keys.PersonID(p.tenant, addr)
	links, err := p.handler().Identity(ctx, id)
	if alias := links.AliasOf(); alias != "" {
		id = alias
	}
	return id, err
}

// decide carries out a command about the account of an address.
func decide(cmd *cobra.Command, addr, said string, command func(ref organizer.Ref, address string) commands.Command[organizer.State, organizer.Fact]) error {
	return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
		id, err := p.organizerID(ctx, addr)
		if err != nil {
			return "", err
		}
		_, err = h.ForOrganizer(ctx, meta, command(organizer.Ref{Tenant: p.tenant, OrganizerID: id}, strings.ToLower(addr)))
		return strings.ToLower(addr) + " " + said, err
	})
}

func newJudgeOrganizer(j commands.Judgement, short, said string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: string(j) + " ADDRESS", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return decide(cmd, args[0], said, func(ref organizer.Ref, addr string) commands.Command[organizer.State, organizer.Fact] {
				return commands.JudgeOrganizer{Organizer: ref, Address: addr, Judgement: j, Reason: reason, By: operator()}
			})
		},
	}
	if j == commands.Suspend {
		cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	}
	return cmd
}

func newOrganizersSet() *cobra.Command {
	var name, language string
	var limit int
	cmd := &cobra.Command{
		Use: "set ADDRESS", Short: "Change an account's name, language or limit of events", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			profile := commands.ChangeProfile{By: operator()}
			if cmd.Flags().Changed("name") {
				profile.Name = &name
			}
			if cmd.Flags().Changed("language") {
				profile.Language = &language
			}
			if profile.Name == nil && profile.Language == nil && !cmd.Flags().Changed("limit") {
				return fmt.Errorf("say what to change: --name, --language or --limit")
			}
			if profile.Name != nil || profile.Language != nil {
				err := decide(cmd, args[0], "has a new profile", func(ref organizer.Ref, addr string) commands.Command[organizer.State, organizer.Fact] {
					profile.Organizer, profile.Address = ref, addr
					return profile
				})
				if err != nil {
					return err
				}
			}
			if !cmd.Flags().Changed("limit") {
				return nil
			}
			return decide(cmd, args[0], "has a new limit", func(ref organizer.Ref, addr string) commands.Command[organizer.State, organizer.Fact] {
				return commands.ChangeEventLimit{Organizer: ref, Address: addr, Limit: limit, By: operator()}
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name attendees see")
	cmd.Flags().StringVar(&language, "language", "", "language of mails, like de, of those CIS_TEMPLATES has")
	cmd.Flags().IntVar(&limit, "limit", 0, "events the account may have; 0: any number; -1: as everybody's (EVENT_LIMIT)")
	return cmd
}

func newOrganizersLink() *cobra.Command {
	var role string
	var unlink bool
	cmd := &cobra.Command{
		Use: "link ORGANIZER ADDRESS", Short: "Have another address speak for an organizer", Args: cobra.ExactArgs(2),
		Long: `Have another address speak for an organizer: an alias is another address of theirs, whatever it asks for is theirs; a
delegate writes for them where the calendar names them as ORGANIZER, and otherwise for itself.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				id, err := p.organizerID(ctx, args[0])
				if err != nil {
					return "", err
				}
				if !address.Valid(args[1]) {
					return "", organizer.ErrAddress.With(args[1])
				}
				s, err := h.Organizer(ctx, id)
				if err == nil && !s.Exists {
					err = organizer.ErrUnknown.With(args[0])
				}
				if err != nil {
					return "", err
				}
				_, err = h.ForIdentity(ctx, meta, commands.LinkAddress{
					Tenant: p.tenant, AddressID: p.keys.PersonID(p.tenant, args[1]), Address: strings.ToLower(args[1]), OrganizerID: id,
					Role: identity.Role(role), Unlink: unlink, By: operator(),
				})
				if unlink {
					return strings.ToLower(args[1]) + " speaks for nobody else any more", err
				}
				return fmt.Sprintf("%s is %s of %s", strings.ToLower(args[1]), role, s.Address), err
			})
		},
	}
	cmd.Flags().StringVar(&role, "as", string(identity.Alias), "alias or delegate")
	cmd.Flags().BoolVar(&unlink, "remove", false, "undo it")
	return cmd
}

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/member"
	"github.com/calendar-invite-server/cis/domain/organizer"
	doors "github.com/calendar-invite-server/cis/ingest/access"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/projections/access"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys", Aliases: []string{"key"}, Short: "Make keys to the API, look at them, and revoke them",
		Long: "A key belongs to the tenant that CIS_TENANT names. Its secret is shown once; what is kept is a hash.\n\nScopes: " + strings.Join(words(key.Scopes), " ") +
			"\nand for who runs the server: " + strings.Join(words(key.Installation), " "),
	}
	cmd.AddCommand(newKeysList(), newKeysIssue(), newKeysRotate(), &cobra.Command{
		Use: "revoke ID", Short: "Make a key good for nothing", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				_, err := h.ForKey(ctx, meta, commands.RevokeKey{Tenant: p.tenant, KeyID: args[0], By: operator()})
				return args[0] + " is good for nothing any more", err
			})
		},
	})
	return cmd
}

func words[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

func newKeysList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List keys, without their secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				list, err := access.NewReader(p.pool).Keys(ctx, p.tenant)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), list)
				}
				day := func(t *time.Time) string {
					if t == nil {
						return ""
					}
					return t.Format(time.DateOnly)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "ID\tNAME\tLAST USED\tEXPIRES\tREVOKED\tSCOPES")
				for _, k := range list {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, day(k.Used), day(k.Expires), day(k.Revoked), strings.Join(k.Scopes, " "))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newKeysIssue() *cobra.Command {
	var scopes []string
	var role, whose string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use: "issue NAME", Short: "Make a key; its secret is shown this once", Args: cobra.ExactArgs(1),
		Example: "  cis keys issue newsletter --scopes events:read,invites:write\n  cis keys issue dashboard --role analyst --lifetime 8760h",
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				now := time.Now().UTC()
				k := key.KeyIssued{Tenant: p.tenant, KeyID: p.keys.CallID("key", uuid.NewString()), Name: args[0], By: operator(), Scopes: member.Role(role).Scopes()}
				for _, s := range scopes {
					k.Scopes = append(k.Scopes, key.Scope(s))
				}
				if role != "" && len(member.Role(role).Scopes()) == 0 {
					return "", member.ErrRole
				}
				if lifetime > 0 {
					k.Expires = now.Add(lifetime)
				}
				if whose != "" {
					id, err := p.organizerID(ctx, whose)
					if err != nil {
						return "", err
					}
					if s, err := h.Organizer(ctx, id); err != nil || !s.Exists {
						return "", organizer.ErrUnknown.With(whose)
					}
					k.OrganizerID = id
				}
				secret, hash := doors.NewKey(k.KeyID)
				k.Hash = hash
				_, err := h.ForKey(ctx, meta, commands.IssueKey{Key: k, Rights: slices.Concat(key.Scopes, key.Installation), Now: now})
				return secret, err
			})
		},
	}
	cmd.Flags().StringSliceVar(&scopes, "scopes", nil, "what it may do, separated by commas")
	cmd.Flags().StringVar(&role, "role", "", "what a role may do: administrator, auditor, analyst, organizer")
	cmd.Flags().StringVar(&whose, "organizer", "", "good for the events of this organizer only")
	cmd.Flags().DurationVar(&lifetime, "lifetime", 0, "until it expires, like 8760h; 0: never")
	return cmd
}

func newKeysRotate() *cobra.Command {
	var grace time.Duration
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Give a key another secret, which is shown this once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				secret, hash := doors.NewKey(args[0])
				_, err := h.ForKey(ctx, meta, commands.RotateKey{Tenant: p.tenant, Rotated: key.KeyRotated{
					Tenant: p.tenant, KeyID: args[0], Hash: hash, OldUntil: time.Now().UTC().Add(grace), By: operator(),
				}})
				return secret, err
			})
		},
	}
	cmd.Flags().DurationVar(&grace, "grace", 24*time.Hour, "how long the old secret is good, too")
	return cmd
}

func newMembers() *cobra.Command {
	cmd := &cobra.Command{
		Use: "members", Aliases: []string{"member"}, Short: "Say who may sign in as administrator, auditor or analyst",
		Long: "Organizers sign in without being told so. People sign in at /sign-in, by a link in a mail or with their company's account\n(CIS_OIDC_ISSUER). Roles are those of the tenant that CIS_TENANT names.",
	}
	change := func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts, addr string, role member.Role) error {
		if !address.Valid(addr) {
			return organizer.ErrAddress.With(addr)
		}
		addr = strings.ToLower(addr)
		_, err := h.ForMember(ctx, meta, commands.ChangeRole{Tenant: p.tenant, PersonID: p.keys.PersonID(p.tenant, addr), Address: addr, Role: role, By: operator()})
		return err
	}
	var role string
	grant := &cobra.Command{
		Use: "grant ADDRESS", Short: "Give somebody a role", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				return args[0] + " is " + role, change(ctx, h, meta, p, args[0], member.Role(role))
			})
		},
	}
	grant.Flags().StringVar(&role, "role", string(member.Administrator), "administrator, auditor or analyst")
	cmd.AddCommand(newMembersList(), grant, &cobra.Command{
		Use: "revoke ADDRESS", Short: "Take somebody's role away", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				return args[0] + " has no role any more", change(ctx, h, meta, p, args[0], "")
			})
		},
	})
	return cmd
}

func newMembersList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List who has a role", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				list, err := access.NewReader(p.pool).Members(ctx, p.tenant)
				if err != nil {
					return err
				}
				ids := make([]string, len(list))
				for i, m := range list {
					ids[i] = m.ID
				}
				p.disclose(ctx, "cis members list", "")
				people, err := attendees.NewReader(p.pool).People(ctx, p.tenant, ids)
				if err != nil {
					return err
				}
				type line struct {
					Address string    `json:"address"`
					Role    string    `json:"role"`
					Granted time.Time `json:"granted"`
				}
				lines := make([]line, len(list))
				for i, m := range list {
					lines[i] = line{people[m.ID].Address, m.Role, m.Granted.UTC()}
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), lines)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "ADDRESS\tROLE\tSINCE")
				for _, l := range lines {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", l.Address, l.Role, l.Granted.Format(time.DateOnly))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

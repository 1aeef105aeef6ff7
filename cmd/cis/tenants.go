package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/spf13/cobra"
)

func newTenants() *cobra.Command {
	cmd := &cobra.Command{
		Use: "tenants", Aliases: []string{"tenant"}, Short: "Look at the customers of this installation, and decide about them",
		Long: `Every event, address and key belongs to one tenant. Organizers of a tenant mail to its own domain, or, if it has none, to
CODE.CIS_DOMAIN. Other commands are about the tenant that CIS_TENANT names.`,
	}
	judge := func(use, short, said string, suspend bool) *cobra.Command {
		var reason string
		c := &cobra.Command{
			Use: use + " CODE", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, _ *parts) (string, error) {
					_, err := h.ForTenant(ctx, meta, commands.JudgeTenant{Code: args[0], Suspend: suspend, Reason: reason, By: operator()})
					return args[0] + " " + said, err
				})
			},
		}
		if suspend {
			c.Flags().StringVar(&reason, "reason", "", "why, for the record")
		}
		return c
	}
	cmd.AddCommand(newTenantsList(), newTenantsCreate(), newTenantsSet(),
		judge("suspend", "Let nobody of a tenant use the API, the pages or links", "is suspended", true),
		judge("reinstate", "Let them again", "is reinstated", false))
	return cmd
}

func newTenantsList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List tenants with their mail domains", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
				h := p.handler()
				all, err := h.Tenants(ctx)
				if err != nil {
					return err
				}
				book := p.directory(h)
				type line struct {
					Code      string          `json:"code"`
					Name      string          `json:"name"`
					Domain    string          `json:"domain"`
					Suspended bool            `json:"suspended"`
					Settings  tenant.Settings `json:"settings"`
				}
				lines := []line{}
				for _, t := range all.All() {
					lines = append(lines, line{t.Code, t.Name, book.Of(t.Code).Domain, t.Suspended, t.Settings})
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), lines)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "CODE\tNAME\tMAIL DOMAIN\tSUSPENDED")
				for _, l := range lines {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Code, l.Name, l.Domain, yes(l.Suspended))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newTenantsCreate() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "create CODE", Short: "Take a customer on", Args: cobra.ExactArgs(1),
		Example: "  cis tenants create acme --name \"Acme Ltd\"\n  CIS_TENANT=acme cis keys issue first --role administrator",
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				if name == "" {
					name = args[0]
				}
				_, err := h.ForTenant(ctx, meta, commands.CreateTenant{Code: args[0], Name: name, By: operator()})
				return args[0] + " takes mail at " + p.directory(h).Of(args[0]).Create(), err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name people know it by")
	return cmd
}

func newTenantsSet() *cobra.Command {
	var name, file string
	var changed tenant.Settings
	cmd := &cobra.Command{
		Use: "set CODE", Short: "Change a tenant's settings; what is not said stays", Args: cobra.ExactArgs(1),
		Example: "  cis tenants set acme --domain invites.acme.example --sender \"Acme Events\"\n  cis tenants set acme --settings acme.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
				t, err := h.Tenant(ctx, args[0])
				if err != nil {
					return "", err
				}
				c := commands.ConfigureTenant{Code: args[0], Name: t.Name, Settings: t.Settings, Own: p.cfg.Domain, By: operator()}
				if file != "" {
					raw, err := os.ReadFile(file)
					if err != nil {
						return "", err
					}
					c.Settings = tenant.Settings{}
					if err := json.Unmarshal(raw, &c.Settings); err != nil {
						return "", fmt.Errorf("%s: %w", file, err)
					}
				}
				set := map[string]func(){
					"name": func() { c.Name = name }, "domain": func() { c.Settings.Domain = strings.ToLower(changed.Domain) }, "sender": func() { c.Settings.Sender = changed.Sender },
					"language": func() { c.Settings.Language = changed.Language }, "footer": func() { c.Settings.Footer = changed.Footer },
					"landing": func() { c.Settings.Landing = changed.Landing }, "landing-hosts": func() { c.Settings.LandingHosts = changed.LandingHosts },
					"legacy-invite": func() { c.Settings.LegacyInvite = changed.LegacyInvite }, "rate": func() { c.Settings.RatePerMin = changed.RatePerMin },
					"origins": func() { c.Settings.Origins = changed.Origins },
				}
				said := file != ""
				for flag, do := range set {
					if cmd.Flags().Changed(flag) {
						do()
						said = true
					}
				}
				if !said {
					return "", fmt.Errorf("say what to change; see --help")
				}
				_, err = h.ForTenant(ctx, meta, c)
				return args[0] + " has other settings", err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "settings", "", "a JSON file with all settings, as the API and `cis tenants list --json` have them")
	f.StringVar(&name, "name", "", "name people know it by")
	f.StringVar(&changed.Domain, "domain", "", "mail domain of its own; empty: CODE.CIS_DOMAIN")
	f.StringVar(&changed.Sender, "sender", "", "name that our own notices come from")
	f.StringVar(&changed.Language, "language", "", "of mails")
	f.StringVar(&changed.Footer, "footer", "", "who is behind it, at the end of every mail")
	f.StringVar(&changed.Landing, "landing", "", "page after an invite link")
	f.StringSliceVar(&changed.LandingHosts, "landing-hosts", nil, "further hosts that a link may name")
	f.StringVar(&changed.LegacyInvite, "legacy-invite", "", "how the published invite link acts: on, confirm, off")
	f.IntVar(&changed.RatePerMin, "rate", 0, "requests to the API per minute; 0: as the installation has it")
	f.StringSliceVar(&changed.Origins, "origins", nil, "web origins whose pages may call the API")
	return cmd
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/spf13/cobra"
)

func newTemplates() *cobra.Command {
	cmd := &cobra.Command{
		Use: "templates", Short: "Look at the texts of mails, and change them",
		Long: `The texts of mails are files: NAME.txt, whose first line is "Subject: …", and NAME.html; frame.html is around all of
them. {summary} and the like stand for values; everything Go's templates can do works too. What is found in the folder
CIS_TEMPLATES names stands in for what is built in; below it, LANGUAGE/ holds those of a language (cis organizers set
--language), and tenants/TENANT/ those of a tenant. All of them are tried at the start.`,
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the mails there are", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				cfg, _, err := readConfig(os.Getenv)
				if err != nil {
					return err
				}
				for _, name := range cfg.templates.Names() {
					_, _ = fmt.Fprintln(cmd.OutOrStdout(), name)
				}
				return nil
			},
		},
		&cobra.Command{
			Use: "export FOLDER", Short: "Write the built-in templates into a folder, to be changed there", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if err := notifier.Export(args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "written; change them and start the server with CIS_TEMPLATES=%s\n", args[0])
				return err
			},
		},
		newTemplatesPreview(),
	)
	return cmd
}

func newTemplatesPreview() *cobra.Command {
	var out, language, of string
	cmd := &cobra.Command{
		Use: "preview NAME…", Short: "Write mails as they would look, as .txt, .html and .eml", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, _, err := readConfig(os.Getenv)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				names = cfg.templates.Names()
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return err
			}
			for _, name := range names {
				p, err := cfg.composer(address.NewDirectory(cfg.book(), nil), cfg.PublicURL).Preview(name, of, language)
				if err != nil {
					return err
				}
				path := filepath.Join(out, name)
				err = errors.Join(os.WriteFile(path+".txt", []byte(p.Text), 0o644), os.WriteFile(path+".html", []byte(p.HTML), 0o644), os.WriteFile(path+".eml", p.Mail, 0o644))
				if err != nil {
					return err
				}
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s.txt %s.html %s.eml\n", path, path, path)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "preview", "folder to write into")
	cmd.Flags().StringVar(&language, "language", "", "language, of those CIS_TEMPLATES has")
	cmd.Flags().StringVar(&of, "tenant", tenant.Default, "tenant")
	return cmd
}

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/calendar-invite-server/cis/internal/dkimsign"
	"github.com/spf13/cobra"
)

func newDKIM() *cobra.Command {
	cmd := &cobra.Command{Use: "dkim", Short: "Make the key that outgoing mail is signed with"}
	cmd.AddCommand(newDKIMGenerate())
	return cmd
}

func newDKIMGenerate() *cobra.Command {
	var kind, out, selector string
	cmd := &cobra.Command{
		Use: "generate", Short: "Write a private key and print the DNS record that belongs to it", Args: cobra.NoArgs,
		Long: `Write a private key to a file (mode 0600) and print the DNS record that belongs to it. RSA is what every receiver can
check; Ed25519 signs twenty times as fast, and many large receivers still ignore it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := readConfig(os.Getenv)
			if err != nil {
				return err
			}
			key, err := dkimsign.Generate(kind)
			if err != nil {
				return err
			}
			if selector == "" {
				selector = cfg.DKIMSelector
			}
			f, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return fmt.Errorf("the key is not written over anything: %w", err)
			}
			_, err = f.Write(key)
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			signer, err := dkimsign.New(cfg.Domain, selector, key)
			if err != nil {
				return err
			}
			name, value, err := signer.Record()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The key is in %s. Publish this record, then start with CIS_DKIM_KEY=%s CIS_DKIM_SELECTOR=%s:\n\n%s. TXT %s\n",
				out, out, selector, name, quoteTXT(value))
			return err
		},
	}
	cmd.Flags().StringVar(&kind, "type", "rsa", "rsa (2048 bits) or ed25519")
	cmd.Flags().StringVar(&out, "out", "dkim.pem", "file for the private key")
	cmd.Flags().StringVar(&selector, "selector", "", "selector (default CIS_DKIM_SELECTOR)")
	return cmd
}

// quoteTXT writes a record's value as zone files want it, in strings of at most 255 bytes.
func quoteTXT(value string) string {
	out := ""
	for len(value) > 255 {
		out, value = out+fmt.Sprintf("%q ", value[:255]), value[255:]
	}
	return out + fmt.Sprintf("%q", value)
}

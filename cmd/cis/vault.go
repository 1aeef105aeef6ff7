package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/calendar-invite-server/cis/internal/durable"
	"github.com/calendar-invite-server/cis/internal/vault"
	"github.com/spf13/cobra"
)

// openVault opens the vault with whichever key wraps its keys.
func (c *Config) openVault(derived []byte) (*vault.Vault, error) {
	wrappings, err := c.wrappings(derived)
	if err != nil {
		return nil, err
	}
	return vault.Open(filepath.Join(c.Data, "vault.db"), wrappings...)
}

// vaultKeyFile holds the key that wraps the vault's keys, once it was rotated.
func (c *Config) vaultKeyFile() string {
	if c.VaultKeyFile != "" {
		return c.VaultKeyFile
	}
	return filepath.Join(c.Data, "vault.key")
}

// next is where the key is while the vault is being wrapped by it.
const next = ".new"

// wrappings are the keys that may wrap the vault's keys: the one in the file, the one of a rotation that was interrupted, and
// the one from the secret, which is the first in every vault's life.
func (c *Config) wrappings(derived []byte) (list [][]byte, err error) {
	for _, file := range []string{c.vaultKeyFile(), c.vaultKeyFile() + next} {
		raw, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(raw)))
		if err != nil || len(key) != 32 {
			return nil, fmt.Errorf("%s is no vault key", file)
		}
		list = append(list, key)
	}
	return append(list, derived), nil
}

func newVault() *cobra.Command {
	cmd := &cobra.Command{Use: "vault", Short: "Look after the keys of personal data"}
	cmd.AddCommand(&cobra.Command{
		Use: "rotate", Short: "Wrap all keys by a new key", Args: cobra.NoArgs,
		Long: `Wrap all keys by a new key, which is written to CIS_VAULT_KEY_FILE (CIS_DATA/vault.key): after the old one, or the
secret, may have become known, or because it is time. End the server first. Copies of vault.db from before still need the old
key: delete them, or keep it with them. Keep the new one where you keep the secret: without it nothing personal can be read.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := readConfig(os.Getenv)
			if err != nil {
				return err
			}
			n, err := cfg.rotate(cmd)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d keys are wrapped by the key in %s\n", n, cfg.vaultKeyFile())
			return err
		},
	})
	return cmd
}

// rotate makes a key, durably, before the vault needs it; which one it needs the vault says.
func (c *Config) rotate(cmd *cobra.Command) (int, error) {
	keys, err := c.keys()
	if err != nil {
		return 0, err
	}
	path, file := filepath.Join(c.Data, "vault.db"), c.vaultKeyFile()
	if _, err := os.Stat(path); err != nil {
		return 0, fmt.Errorf("there is no vault: %w", err)
	}
	wrappings, err := c.wrappings(keys.Wrapping())
	if err != nil {
		return 0, err
	}
	if err := c.settle(path, wrappings); err != nil { // of one that was interrupted
		return 0, err
	}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	if err := durable.WriteFile(file+next, []byte(base64.StdEncoding.EncodeToString(fresh)+"\n")); err != nil {
		return 0, err
	}
	n, err := vault.Rotate(cmd.Context(), path, fresh, wrappings...)
	if wrappings, more := c.wrappings(keys.Wrapping()); more == nil { // whatever went wrong, the vault says which key it needs
		err = errors.Join(err, c.settle(path, wrappings))
	}
	return n, err
}

// settle gives the key of an interrupted rotation its place, if the vault is wrapped by it, or removes it.
func (c *Config) settle(path string, wrappings [][]byte) error {
	file := c.vaultKeyFile()
	if _, err := os.Stat(file + next); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	i, err := vault.WrappedBy(path, wrappings...)
	if err != nil {
		return err
	}
	if i == len(wrappings)-2 { // the one before the secret's
		return durable.Rename(file+next, file)
	}
	return os.Remove(file + next)
}

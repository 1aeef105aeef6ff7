package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// adminKey returns the hash of the admin key. Without CIS_ADMIN_KEY one is made at the first start: only its hash is
// kept, the key itself comes back once, to be printed.
func adminKey(cfg *Config) (hash [sha256.Size]byte, fresh string, err error) {
	if cfg.AdminKey != "" {
		return keyHash(cfg.AdminKey), "", nil
	}
	path := filepath.Join(cfg.Data, "admin-key.sha256")
	raw, err := os.ReadFile(path)
	if err == nil {
		sum, err := hex.DecodeString(strings.TrimSpace(string(raw)))
		if err != nil || len(sum) != len(hash) {
			return hash, "", fmt.Errorf("%s is damaged; remove it and a new key is made", path)
		}
		copy(hash[:], sum)
		return hash, "", nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return hash, "", err
	}
	fresh = "cis_" + rand.Text()
	hash = keyHash(fresh)
	return hash, fresh, os.WriteFile(path, []byte(hex.EncodeToString(hash[:])+"\n"), 0o600)
}

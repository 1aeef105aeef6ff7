package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// keyPrefix starts every key, so that scanners for leaked secrets can know one.
const keyPrefix = "cis_"

// NewKey makes the secret of a key: cis_ID_SECRET. What is kept is its hash.
func NewKey(id string) (secret, hash string) {
	secret = keyPrefix + id + "_" + rand.Text()
	sum := sha256.Sum256([]byte(secret))
	return secret, hex.EncodeToString(sum[:])
}

// keyID finds the id in a key.
func keyID(secret string) (string, bool) {
	rest, ok := strings.CutPrefix(secret, keyPrefix)
	if !ok || len(secret) > 100 {
		return "", false
	}
	id, _, ok := strings.Cut(rest, "_")
	return id, ok && len(id) == 16 && strings.Trim(id, "0123456789abcdef") == ""
}

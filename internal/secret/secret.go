// Package secret makes everything that must be unguessable but repeatable out of one secret: ids, tokens, and the key
// that wraps keys. The ids carry no personal data: who does not hold the secret cannot even test a guess.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// minLength is what a configured secret must have, in characters.
const minLength = 32

// Keys derives ids, tokens and keys. The id key never changes in the life of a log.
type Keys struct {
	id    []byte
	token []byte
	wrap  []byte
	sign  []byte
}

// New derives the keys from a secret of at least 32 characters.
func New(secret string) (Keys, error) {
	if len(secret) < minLength {
		return Keys{}, fmt.Errorf("the secret has %d characters, it needs at least %d", len(secret), minLength)
	}
	derive := func(purpose string) []byte {
		key, err := hkdf.Key(sha256.New, []byte(secret), nil, "cis/1 "+purpose, 32)
		if err != nil {
			panic(err) // only for absurd lengths
		}
		return key
	}
	return Keys{id: derive("id"), token: derive("token"), wrap: derive("wrap"), sign: derive("sign")}, nil
}

// FromFile reads the secret at path, making one if the file is missing.
func FromFile(path string) (Keys, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		raw = []byte(rand.Text() + rand.Text() + "\n")
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return Keys{}, err
		}
		if err = writeNew(path, raw); errors.Is(err, os.ErrExist) { // another process was faster
			raw, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return Keys{}, fmt.Errorf("the secret: %w", err)
	}
	return New(strings.TrimSpace(string(raw)))
}

// writeNew writes a file that must not exist yet, durably: ids made from a secret that is lost cannot be made again.
func writeNew(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if _, err := tmp.Write(data); err != nil {
		return err
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}

// Fingerprint tells two id keys apart without revealing either.
func (k Keys) Fingerprint() string { return hex.EncodeToString(mac(k.id, "fingerprint"))[:16] }

// Wrapping is the key that wraps the keys in the vault.
func (k Keys) Wrapping() []byte { return k.wrap }

// Signing is the key that the log's checkpoints are signed with.
func (k Keys) Signing() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(k.sign) }

// PersonID is the id of the person behind a mail address, within a tenant. Case does not matter.
func (k Keys) PersonID(tenant, address string) string {
	return hex.EncodeToString(mac(k.id, "person", tenant, strings.ToLower(address)))[:32]
}

// EventUID is the UID an organizer's event gets here: [a-z0-9]{40}, the same for the same source UID.
func (k Keys) EventUID(tenant, organizerID, sourceUID string) string {
	return hex.EncodeToString(mac(k.id, "event", tenant, organizerID, sourceUID))[:40]
}

// MailID is the id of a message: the same envelope and bytes are the same message.
func (k Keys) MailID(from string, recipients []string, raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(mac(k.id, "mail", from, strings.Join(recipients, " "), string(sum[:])))[:32]
}

// NoticeID is the id of a notice of a kind about an event.
func (k Keys) NoticeID(tenant, kind, eventUID string) string {
	return hex.EncodeToString(mac(k.id, "notice", tenant, kind, eventUID))[:32]
}

// OrderID is the id of a payment processor's order.
func (k Keys) OrderID(tenant string, parts ...string) string {
	return hex.EncodeToString(mac(k.id, append([]string{"order", tenant}, parts...)...))[:32]
}

// Lane names the lane in which messages must be handled in order.
func (k Keys) Lane(parts ...string) string {
	return hex.EncodeToString(mac(k.id, append([]string{"lane"}, parts...)...))[:16]
}

// Token is 32 characters of lower-case base32 that stand for the given parts in a mail address.
func (k Keys) Token(parts ...string) string {
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac(k.token, parts...)[:20]))
}

// Tokens in mail addresses hold the first part of an event's UID and a person's id, and a seal: an address cannot hold
// more. What one is good for is part of its seal.
const (
	tokenUID    = 12 // bytes
	tokenPerson = 16
	tokenSeal   = 5
	linkSeal    = 10 // of tokens in links, where there is room
)

// AddressToken stands for a person and an event in a mail address of ours, in lower-case base32.
func (k Keys) AddressToken(purpose, eventUID, personID string) (string, error) {
	raw, err := ids(eventUID, personID)
	if err != nil {
		return "", err
	}
	return k.sealed(purpose, append(raw[:tokenUID:tokenUID], raw[20:]...), tokenSeal), nil
}

// OpenAddressToken returns what a token stands for: the beginning of an event's UID, and a person's id.
func (k Keys) OpenAddressToken(purpose, token string) (uidPrefix, personID string, ok bool) {
	body, ok := k.unsealed(purpose, token, tokenUID+tokenPerson, tokenSeal)
	if !ok {
		return "", "", false
	}
	return hex.EncodeToString(body[:tokenUID]), hex.EncodeToString(body[tokenUID:]), true
}

// InvitationToken stands for a person and an event in a link.
func (k Keys) InvitationToken(purpose, eventUID, personID string) (string, error) {
	raw, err := ids(eventUID, personID)
	if err != nil {
		return "", err
	}
	return k.sealed(purpose, raw, linkSeal), nil
}

// OpenInvitationToken returns what a token stands for.
func (k Keys) OpenInvitationToken(purpose, token string) (eventUID, personID string, ok bool) {
	body, ok := k.unsealed(purpose, token, 20+tokenPerson, linkSeal)
	if !ok {
		return "", "", false
	}
	return hex.EncodeToString(body[:20]), hex.EncodeToString(body[20:]), true
}

// PersonToken stands for a person in a mail address of ours.
func (k Keys) PersonToken(purpose, personID string) (string, error) {
	raw, err := hex.DecodeString(personID)
	if err != nil || len(raw) != tokenPerson {
		return "", errors.New("a token needs a person's id")
	}
	return k.sealed(purpose, raw, tokenSeal), nil
}

// OpenPersonToken returns whom a token stands for.
func (k Keys) OpenPersonToken(purpose, token string) (personID string, ok bool) {
	body, ok := k.unsealed(purpose, token, tokenPerson, tokenSeal)
	return hex.EncodeToString(body), ok
}

func ids(eventUID, personID string) ([]byte, error) {
	raw, err := hex.DecodeString(eventUID + personID)
	if err != nil || len(raw) != 20+tokenPerson {
		return nil, errors.New("a token needs a UID and a person's id")
	}
	return raw, nil
}

func (k Keys) sealed(purpose string, body []byte, seal int) string {
	raw := append(body[:len(body):len(body)], mac(k.token, purpose, string(body))[:seal]...)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
}

func (k Keys) unsealed(purpose, token string, size, seal int) ([]byte, bool) {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(token))
	if err != nil || len(raw) != size+seal || len(token) != base32.StdEncoding.WithPadding(base32.NoPadding).EncodedLen(size+seal) || !hmac.Equal(raw[size:], mac(k.token, purpose, string(raw[:size]))[:seal]) {
		return nil, false
	}
	return raw[:size], true
}

// Digest is a fingerprint of text that tells nobody without the secret what the text was.
func (k Keys) Digest(text []byte) string {
	return hex.EncodeToString(mac(k.id, "digest", string(text)))[:16]
}

// MessageID is the left side of the Message-ID of a mail: the same mail, sent again, carries the same.
func (k Keys) MessageID(parts ...string) string {
	return hex.EncodeToString(mac(k.token, append([]string{"message"}, parts...)...))[:40]
}

// mac authenticates parts in a way that no two lists of parts can share.
func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return h.Sum(nil)
}

// EventToken stands for an event in a link.
func (k Keys) EventToken(purpose, eventUID string) (string, error) {
	raw, err := hex.DecodeString(eventUID)
	if err != nil || len(raw) != 20 {
		return "", errors.New("a token needs a UID")
	}
	return k.sealed(purpose, raw, linkSeal), nil
}

// OpenEventToken returns which event a token stands for.
func (k Keys) OpenEventToken(purpose, token string) (eventUID string, ok bool) {
	body, ok := k.unsealed(purpose, token, 20, linkSeal)
	return hex.EncodeToString(body), ok
}

// CodeID is the id of what a short code stands for. The code cannot be told from it.
func (k Keys) CodeID(purpose, code string) string {
	return hex.EncodeToString(mac(k.id, "code", purpose, strings.ToUpper(code)))[:32]
}

// CallID is the id of what a call of a caller made: the same call makes the same.
func (k Keys) CallID(purpose, call string) string {
	return hex.EncodeToString(mac(k.id, "call", purpose, call))[:16]
}

// Lock makes text unreadable and unchangeable for everybody else, for a purpose, as in a cookie.
func (k Keys) Lock(purpose string, plain []byte) string {
	aead := k.aead(purpose)
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, []byte(purpose)))
}

// Unlock reads what [Keys.Lock] made for the same purpose.
func (k Keys) Unlock(purpose, locked string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(locked)
	aead := k.aead(purpose)
	if err != nil || len(raw) < aead.NonceSize() {
		return nil, false
	}
	plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(purpose))
	return plain, err == nil
}

func (k Keys) aead(purpose string) cipher.AEAD {
	block, err := aes.NewCipher(mac(k.token, "lock", purpose))
	if err != nil {
		panic(err) // only for other key lengths
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

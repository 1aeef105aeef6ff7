package webhook

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // SNS's SignatureVersion 1
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// notification is what SNS posts.
type notification struct {
	Type             string
	MessageID        string `json:"MessageId"`
	TopicArn         string
	Subject          string
	Message          string
	Timestamp        string
	Token            string
	SubscribeURL     string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
}

// ses takes mail that SES received and publishes whole to an SNS topic (receipt rule action "SNS").
func (h *Hooks) ses(w http.ResponseWriter, r *http.Request) error {
	if h.SESTopic == "" {
		return ErrOff
	}
	var n notification
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&n); err != nil {
		return ErrShape.With("it is no JSON of SNS's")
	}
	if n.TopicArn != h.SESTopic {
		return ErrSignature.With("it is another topic's")
	}
	if err := h.verify(r.Context(), n); err != nil {
		h.Log.Warn("webhook: a delivery in SNS's name is not signed by it", "error", err)
		return ErrSignature
	}
	switch n.Type {
	case "SubscriptionConfirmation":
		if _, err := h.get(r.Context(), n.SubscribeURL); err != nil {
			return fmt.Errorf("confirming the subscription: %w", err)
		}
		h.Log.Info("webhook: subscribed", "topic", n.TopicArn)
		return nil
	case "Notification":
		return h.sesMail(w, r, n.Message)
	}
	return nil // UnsubscribeConfirmation: nothing to do
}

func (h *Hooks) sesMail(w http.ResponseWriter, r *http.Request, message string) error {
	var in struct {
		NotificationType string `json:"notificationType"`
		Mail             struct {
			Source      string   `json:"source"`
			Destination []string `json:"destination"`
		} `json:"mail"`
		Receipt struct {
			Recipients []string `json:"recipients"`
			Action     struct {
				Type     string `json:"type"`
				Encoding string `json:"encoding"`
			} `json:"action"`
		} `json:"receipt"`
		Content string `json:"content"`
	}
	if err := json.Unmarshal([]byte(message), &in); err != nil || in.NotificationType != "Received" {
		return nil // deliveries, complaints and test messages of the same topic
	}
	if in.Content == "" {
		return ErrShape.With(`the receipt rule's action is ` + in.Receipt.Action.Type + `; use "SNS", which sends the mail itself`)
	}
	raw := []byte(in.Content)
	if strings.EqualFold(in.Receipt.Action.Encoding, "BASE64") {
		var err error
		if raw, err = base64.StdEncoding.DecodeString(in.Content); err != nil {
			return ErrShape.With("its base64 cannot be read")
		}
	}
	return h.receive(w, r, in.Mail.Source, append(in.Receipt.Recipients, in.Mail.Destination...), raw)
}

// verify checks SNS's signature over the fields it signs, with the certificate it names on its own host.
func (h *Hooks) verify(ctx context.Context, n notification) error {
	fields := []string{"Message", n.Message, "MessageId", n.MessageID}
	if n.Type == "Notification" {
		if n.Subject != "" {
			fields = append(fields, "Subject", n.Subject)
		}
		fields = append(fields, "Timestamp", n.Timestamp, "TopicArn", n.TopicArn, "Type", n.Type)
	} else {
		fields = append(fields, "SubscribeURL", n.SubscribeURL, "Timestamp", n.Timestamp, "Token", n.Token, "TopicArn", n.TopicArn, "Type", n.Type)
	}
	signed := []byte(strings.Join(fields, "\n") + "\n")
	sig, err := base64.StdEncoding.DecodeString(n.Signature)
	if err != nil {
		return err
	}
	key, err := h.certs.key(ctx, h, n.SigningCertURL)
	if err != nil {
		return err
	}
	if n.SignatureVersion == "2" {
		sum := sha256.Sum256(signed)
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig)
	}
	sum := sha1.Sum(signed) //nolint:gosec // what SNS does unless told otherwise
	return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], sig)
}

// sns are Amazon's own hosts.
var sns = regexp.MustCompile(`^sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?$`)

// get asks SNS; nobody else is ever asked for what a message says, and nowhere else it redirects to.
func (h *Hooks) get(ctx context.Context, raw string) ([]byte, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || !sns.MatchString(u.Host) || u.User != nil {
		return nil, errors.New("that is not an address of SNS")
	}
	client := http.Client{Timeout: 10 * time.Second}
	if h.Client != nil {
		client = *h.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("SNS answered %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 64<<10))
}

// certificates keeps SNS's keys by the address of their certificate.
type certificates struct {
	mu   sync.Mutex
	keys map[string]*rsa.PublicKey
}

func (c *certificates) key(ctx context.Context, h *Hooks, at string) (*rsa.PublicKey, error) {
	c.mu.Lock()
	key := c.keys[at]
	c.mu.Unlock()
	if key != nil {
		return key, nil
	}
	if !strings.HasSuffix(at, ".pem") {
		return nil, errors.New("that is not an address of a certificate")
	}
	data, err := h.get(ctx, at)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("there is no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if now := time.Now(); !ok || now.After(cert.NotAfter) || now.Before(cert.NotBefore) {
		return nil, errors.New("the certificate cannot be used")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) > 100 {
		c.keys = map[string]*rsa.PublicKey{}
	}
	c.keys[at] = key
	return key, nil
}

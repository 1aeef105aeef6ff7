package webhook

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/gorilla/mux"
)

const raw = "From: Olga <olga@organizer.example>\r\nTo: create@cis.example\r\nSubject: x\r\n\r\nbody\r\n"

// taken records what was received.
type taken struct {
	env  inbox.Envelope
	raw  string
	n    int
	fail error
}

func (t *taken) Receive(_ context.Context, env inbox.Envelope, raw []byte) (string, error) {
	t.env, t.raw, t.n = env, string(raw), t.n+1
	return "id", t.fail
}

func hooks(change func(*Hooks)) (*taken, http.Handler) {
	got := &taken{}
	h := &Hooks{
		Receiver: got, Book: address.NewDirectory(address.NewBook("cis.example", ""), nil), Log: slog.New(slog.DiscardHandler), MaxBytes: 1 << 20,
		Secret: "s3cret", MailgunKey: "key-1", SESTopic: topic,
	}
	if change != nil {
		change(h)
	}
	r := mux.NewRouter()
	h.Register(r)
	return got, r
}

func post(h http.Handler, path, contentType, user string, body io.Reader) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, path, body)
	req.Header.Set("Content-Type", contentType)
	if user != "" {
		req.SetBasicAuth("cis", user)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func expect(t *testing.T, what string, got *taken, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	took := status == http.StatusOK
	if w.Code != status || took != (got.n == 1) || took && (got.raw != raw || got.env.From != "bounce@organizer.example" || len(got.env.Recipients) != 1 || got.env.Recipients[0] != "create@cis.example" || got.env.Door != "webhook") {
		t.Errorf("%s: %d %s, %+v", what, w.Code, w.Body, got)
	}
	got.n = 0
}

// mailgunForm is what Mailgun posts to a route's forward that ends in mime.
func mailgunForm(key string, at time.Time) url.Values {
	stamp := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(mac, stamp+"token")
	return url.Values{
		"timestamp": {stamp}, "token": {"token"}, "signature": {hex.EncodeToString(mac.Sum(nil))},
		"sender": {"bounce@organizer.example"}, "recipient": {"create@cis.example"}, "body-mime": {raw},
	}
}

func TestMailgun(t *testing.T) {
	got, h := hooks(nil)
	send := func(v url.Values) *httptest.ResponseRecorder {
		return post(h, "/mail/mailgun", "application/x-www-form-urlencoded", "", strings.NewReader(v.Encode()))
	}
	expect(t, "signed", got, send(mailgunForm("key-1", time.Now())), 200)
	expect(t, "another key", got, send(mailgunForm("key-2", time.Now())), 403)
	expect(t, "an old one", got, send(mailgunForm("key-1", time.Now().Add(-48*time.Hour))), 403)
	parsed := mailgunForm("key-1", time.Now())
	parsed.Del("body-mime")
	expect(t, "without the raw mail", got, send(parsed), 400)
	stranger := mailgunForm("key-1", time.Now())
	stranger.Set("recipient", "nobody@elsewhere.example")
	expect(t, "for nobody here", got, send(stranger), 406)
	got.fail = eventstore.ErrUnavailable
	if w := send(mailgunForm("key-1", time.Now())); w.Code != 503 {
		t.Errorf("while the store is away: %d", w.Code)
	}
	_, off := hooks(func(h *Hooks) { h.MailgunKey = "" })
	if w := post(off, "/mail/mailgun", "application/x-www-form-urlencoded", "", strings.NewReader(mailgunForm("", time.Now()).Encode())); w.Code != 404 {
		t.Errorf("not configured: %d", w.Code)
	}
}

func TestPostmark(t *testing.T) {
	got, h := hooks(nil)
	// The fields of Postmark's documented inbound JSON that matter, and some that do not.
	body := func(rawEmail string) io.Reader {
		data, _ := json.Marshal(map[string]any{
			"FromName": "Olga", "MessageStream": "inbound", "From": "olga@organizer.example", "OriginalRecipient": "create@cis.example",
			"ToFull":  []map[string]string{{"Email": "create@cis.example", "Name": "", "MailboxHash": ""}},
			"Headers": []map[string]string{{"Name": "Return-Path", "Value": "<bounce@organizer.example>"}, {"Name": "X-Spam-Status", "Value": "No"}},
			"Subject": "x", "TextBody": "body", "RawEmail": rawEmail,
		})
		return bytes.NewReader(data)
	}
	expect(t, "with credentials", got, post(h, "/mail/postmark", "application/json", "s3cret", body(raw)), 200)
	expect(t, "without", got, post(h, "/mail/postmark", "application/json", "", body(raw)), 403)
	expect(t, "with wrong ones", got, post(h, "/mail/postmark", "application/json", "guess", body(raw)), 403)
	expect(t, "without the raw mail", got, post(h, "/mail/postmark", "application/json", "s3cret", body("")), 400)
	expect(t, "no JSON", got, post(h, "/mail/postmark", "application/json", "s3cret", strings.NewReader("{")), 400)
	expect(t, "too large a mail", got, post(h, "/mail/postmark", "application/json", "s3cret", body(strings.Repeat("x", 2<<20))), 400)
}

func TestSendGrid(t *testing.T) {
	got, h := hooks(nil)
	send := func(fields map[string]string) *httptest.ResponseRecorder {
		var buf bytes.Buffer
		form := multipart.NewWriter(&buf)
		for k, v := range fields {
			_ = form.WriteField(k, v)
		}
		_ = form.Close()
		return post(h, "/mail/sendgrid", form.FormDataContentType(), "s3cret", &buf)
	}
	envelope := `{"to":["create@cis.example"],"from":"bounce@organizer.example"}`
	expect(t, "raw", got, send(map[string]string{"email": raw, "envelope": envelope, "sender_ip": "192.0.2.1", "SPF": "pass"}), 200)
	expect(t, "parsed", got, send(map[string]string{"text": "body", "envelope": envelope}), 400)
	expect(t, "no envelope", got, send(map[string]string{"email": raw}), 400)
	expect(t, "no form", got, post(h, "/mail/sendgrid", "multipart/form-data; boundary=x", "s3cret", strings.NewReader("--y")), 400)
}

const topic = "arn:aws:sns:eu-west-1:123456789012:mail"

// amazon answers as SNS's host does: its certificate, and confirmations.
type amazon struct {
	key    *rsa.PrivateKey
	cert   []byte
	asked  []string
	status int
}

func newAmazon(t *testing.T) *amazon {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &amazon{key: key, cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), status: 200}
}

func (a *amazon) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked = append(a.asked, r.URL.String())
	return &http.Response{StatusCode: a.status, Status: fmt.Sprint(a.status), Body: io.NopCloser(bytes.NewReader(a.cert)), Header: http.Header{}, Request: r}, nil
}

// sign makes a delivery as SNS's documentation describes it, signature version 2.
func (a *amazon) sign(t *testing.T, kind, message string) map[string]string {
	t.Helper()
	n := map[string]string{
		"Type": kind, "MessageId": "m-1", "TopicArn": topic, "Message": message, "Timestamp": "2026-11-21T00:00:00.000Z", "SignatureVersion": "2",
		"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
	}
	keys := []string{"Message", "MessageId", "Timestamp", "TopicArn", "Type"}
	if kind != "Notification" {
		n["Token"], n["SubscribeURL"] = "t", "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
		keys = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	var signed strings.Builder
	for _, k := range keys {
		signed.WriteString(k + "\n" + n[k] + "\n")
	}
	sum := sha256.Sum256([]byte(signed.String()))
	sig, err := rsa.SignPKCS1v15(nil, a.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	n["Signature"] = base64.StdEncoding.EncodeToString(sig)
	return n
}

func TestSES(t *testing.T) {
	aws := newAmazon(t)
	got, h := hooks(func(h *Hooks) { h.Client = &http.Client{Transport: aws} })
	send := func(n map[string]string) *httptest.ResponseRecorder {
		data, _ := json.Marshal(n)
		return post(h, "/mail/ses", "text/plain; charset=UTF-8", "", bytes.NewReader(data))
	}
	received := func(content, encoding string) string {
		data, _ := json.Marshal(map[string]any{
			"notificationType": "Received", "content": content,
			"mail":    map[string]any{"source": "bounce@organizer.example", "destination": []string{"create@cis.example"}},
			"receipt": map[string]any{"recipients": []string{"create@cis.example"}, "action": map[string]string{"type": "SNS", "topicArn": topic, "encoding": encoding}},
		})
		return string(data)
	}
	expect(t, "base64", got, send(aws.sign(t, "Notification", received(base64.StdEncoding.EncodeToString([]byte(raw)), "BASE64"))), 200)
	expect(t, "UTF-8", got, send(aws.sign(t, "Notification", received(raw, "UTF8"))), 200)
	expect(t, "a rule that keeps the mail in S3", got, send(aws.sign(t, "Notification", received("", ""))), 400)
	if w := send(aws.sign(t, "Notification", `{"notificationType":"Bounce"}`)); w.Code != 200 || got.n != 0 {
		t.Errorf("another notification: %d", w.Code)
	}
	changed := aws.sign(t, "Notification", received(raw, "UTF8"))
	changed["Message"] = strings.Replace(changed["Message"], "olga@", "eve@", 1)
	expect(t, "a changed message", got, send(changed), 403)
	other := aws.sign(t, "Notification", received(raw, "UTF8"))
	other["TopicArn"] = "arn:aws:sns:eu-west-1:999:mail"
	expect(t, "another topic", got, send(other), 403)
	if n := len(aws.asked); n != 1 {
		t.Errorf("the certificate was fetched %d times", n)
	}
	aws.asked = nil
	for _, evil := range []string{
		"https://evil.example/x.pem", "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem", "http://sns.eu-west-1.amazonaws.com/x.pem",
		"https://sns.eu-west-1.amazonaws.com@evil.example/x.pem", "https://169.254.169.254/latest/x.pem", "file:///etc/passwd.pem",
	} {
		n := aws.sign(t, "Notification", received(raw, "UTF8"))
		n["SigningCertURL"] = evil
		expect(t, evil, got, send(n), 403)
	}
	if len(aws.asked) != 0 {
		t.Errorf("asked %v", aws.asked)
	}
	if w := send(aws.sign(t, "SubscriptionConfirmation", "confirm")); w.Code != 200 || len(aws.asked) != 1 || !strings.Contains(aws.asked[0], "ConfirmSubscription") {
		t.Errorf("a confirmation: %d, asked %v", w.Code, aws.asked)
	}
}

package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// browser is somebody's: it keeps cookies and follows redirects.
type browser struct {
	*http.Client
	base string
}

func (s *stage) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar}, "http://" + s.app.HTTPAddr.String()}
}

// open opens a page; with a form it is posted.
func (b *browser) open(t testing.TB, path string, form url.Values, headers ...string) (int, string) {
	t.Helper()
	if !strings.Contains(path, "://") {
		path = b.base + path
	}
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

var linkIn = regexp.MustCompile(`http://[^\s"<>]+/s/([A-Z2-9]{6})`)

// link waits for the n-th mail to somebody and finds the link to sign in with.
func (s *stage) link(t testing.TB, ctx context.Context, to string, n int) string {
	t.Helper()
	m, err := s.sink.Wait(ctx, to, n)
	if err != nil {
		t.Fatal(err)
	}
	found := linkIn.FindStringSubmatch(strings.ReplaceAll(string(m.Data), "=\r\n", ""))
	if found == nil {
		t.Fatalf("no link in %s", m.Data)
	}
	return "/s/" + found[1]
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := startStage(t, map[string]string{"CIS_API_RATE": "0"})
	ctx := within(t, time.Minute)
	uid := s.create(t, ctx, s.key, party("olga@organizer.example", "Olga's"))
	theirs := s.create(t, ctx, s.key, party("otto@organizer.example", "Otto's"))
	if _, err := s.sink.Wait(ctx, "olga@organizer.example", 1); err != nil {
		t.Fatal(err)
	}
	s.must(t, ctx, 202, "PUT", "/v1/members/ada@example.com", s.key, map[string]string{"role": "auditor"})
	s.must(t, ctx, 202, "PUT", "/v1/members/max@example.com", s.key, map[string]string{"role": "administrator"})
	b := s.browser(t)
	ask := func(b *browser, who string) {
		t.Helper()
		if code, body := b.open(t, "/sign-in", url.Values{"email": {who}}); code != 200 || !strings.Contains(body, "a mail with a link is on its way") {
			t.Fatalf("%d %s", code, body)
		}
	}
	t.Run("strangers are told the same and get no mail", func(t *testing.T) {
		ask(b, "stranger@example.com")
		ask(b, "olga@organizer.example")
		s.link(t, ctx, "olga@organizer.example", 2)
		if mails := s.sink.Mails("stranger@example.com"); len(mails) > 0 {
			t.Error("they did")
		}
	})
	link := s.link(t, ctx, "olga@organizer.example", 2)
	t.Run("looking at the link uses nothing up, and no program signs in with it", func(t *testing.T) {
		for range 3 {
			if code, body := b.open(t, link, nil); code != 200 || !strings.Contains(body, `<form method="post">`) {
				t.Fatalf("%d %s", code, body)
			}
		}
	})
	t.Run("another browser must know whose it is", func(t *testing.T) {
		other := s.browser(t)
		if _, body := other.open(t, link, nil); !strings.Contains(body, "The mail address the link was sent to") {
			t.Errorf("%s", body)
		}
		if code, _ := other.open(t, link, url.Values{"email": {"eve@example.com"}}); code != 403 {
			t.Errorf("a guess: %d", code)
		}
	})
	t.Run("an organizer sees their events, through the API too, and nothing else", func(t *testing.T) {
		if code, body := b.open(t, link, url.Values{}); code != 200 || !strings.Contains(body, "olga@organizer.example") || !strings.Contains(body, "organizer") {
			t.Fatalf("%d %s", code, body)
		}
		if code, body := b.open(t, "/v1/events", nil); code != 200 || !strings.Contains(body, uid) || strings.Contains(body, theirs) {
			t.Errorf("%d %s", code, body)
		}
		for path, want := range map[string]int{"/v1/events/" + theirs: 404, "/v1/keys": 403, "/system/events": 403, "/v1/history": 403} {
			if code, _ := b.open(t, path, nil); code != want {
				t.Errorf("%s: %d", path, code)
			}
		}
	})
	t.Run("the link is good once", func(t *testing.T) {
		if code, _ := s.browser(t).open(t, link, url.Values{"email": {"olga@organizer.example"}}); code != 404 {
			t.Errorf("%d", code)
		}
	})
	t.Run("another site's page cannot act with the session", func(t *testing.T) {
		for _, headers := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
			req, _ := http.NewRequestWithContext(ctx, "DELETE", b.base+"/v1/events/"+uid, nil)
			req.Header.Set(headers[0], headers[1])
			resp, err := b.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != 403 {
				t.Errorf("%v: %d", headers, resp.StatusCode)
			}
			if code, _ := b.open(t, "/sign-out", url.Values{}, headers...); code != 403 {
				t.Errorf("signing out with %v: %d", headers, code)
			}
		}
	})
	t.Run("the cookie is out of reach of pages and of other sites", func(t *testing.T) {
		ask(b, "max@example.com")
		l := s.link(t, ctx, "max@example.com", 1)
		req, _ := http.NewRequestWithContext(ctx, "POST", b.base+l, strings.NewReader("email=max@example.com"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		cookie := resp.Header.Get("Set-Cookie")
		for _, want := range []string{"cis_session=", "HttpOnly", "SameSite=Lax", "Max-Age=3600", "Path=/"} {
			if !strings.Contains(cookie, want) {
				t.Errorf("no %s in %s", want, cookie)
			}
		}
		if strings.Contains(cookie, "max") {
			t.Error("the cookie says who it is")
		}
	})
	t.Run("an auditor sees everything and changes nothing; the role is asked every time", func(t *testing.T) {
		ada := s.browser(t)
		ask(ada, "ada@example.com")
		if code, body := ada.open(t, s.link(t, ctx, "ada@example.com", 1), url.Values{}); code != 200 || !strings.Contains(body, "auditor") {
			t.Fatalf("%d %s", code, body)
		}
		for _, path := range []string{"/v1/events/" + uid, "/v1/events/" + theirs, "/v1/history", "/v1/keys", "/system/statistics"} {
			if code, body := ada.open(t, path, nil); code != 200 {
				t.Errorf("%s: %d %s", path, code, body)
			}
		}
		if code, _ := ada.open(t, "/v1/events", url.Values{}); code != 403 {
			t.Errorf("changing something: %d", code)
		}
		s.must(t, ctx, 202, "DELETE", "/v1/members/ada@example.com", s.key, nil)
		if code, _ := ada.open(t, "/v1/events", nil); code != 401 {
			t.Errorf("without the role: %d", code)
		}
	})
	t.Run("signed out, the session is good for nothing, even where the cookie was kept", func(t *testing.T) {
		at, _ := url.Parse(b.base)
		stolen := b.Jar.Cookies(at)
		if code, body := b.open(t, "/sign-out", url.Values{}); code != 200 || !strings.Contains(body, "Send me a link") {
			t.Fatalf("%d %s", code, body)
		}
		thief := s.browser(t)
		thief.Jar.SetCookies(at, stolen)
		if code, _ := thief.open(t, "/v1/events", nil); code != 401 {
			t.Errorf("%d", code)
		}
	})
	t.Run("codes cannot be guessed", func(t *testing.T) {
		refused := 0
		for i := range 30 {
			if code, _ := b.open(t, fmt.Sprintf("/s/AAAA%c%c", 'A'+i%20, 'B'), nil); code == 429 {
				refused++
			} else if code != 404 {
				t.Errorf("%d", code)
			}
		}
		if refused < 15 {
			t.Errorf("%d of 30 were refused", refused)
		}
	})
	t.Run("no code is readable in the log or by an auditor", func(t *testing.T) {
		code := strings.TrimPrefix(link, "/s/")
		for _, rec := range allFacts(t, ctx, s.app.facts) {
			if raw, _ := json.Marshal(rec.Fact); strings.Contains(string(raw), code) {
				t.Errorf("%s holds it", rec.Fact.FactName())
			}
		}
		if r := s.must(t, ctx, 200, "GET", "/v1/history?limit=1000", s.key, nil); strings.Contains(string(r.body), code) || !strings.Contains(string(r.body), "SignInRequested") {
			t.Error("the history shows it, or does not show that there was one")
		}
	})
}

// issuer is an OpenID Connect identity provider.
type issuer struct {
	*httptest.Server
	key    *rsa.PrivateKey
	claims map[string]any // of the next token, besides the usual
	nonce  string
}

func newIssuer(t *testing.T) *issuer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	mux := http.NewServeMux()
	send := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		send(w, map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		enc := base64.RawURLEncoding.EncodeToString
		send(w, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": enc(key.N.Bytes()), "e": enc(big.NewInt(int64(key.E)).Bytes())}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("code_challenge_method") != "S256" || q.Get("client_id") != "cis" {
			t.Errorf("authorize: %v", q)
		}
		i.nonce = q.Get("nonce")
		http.Redirect(w, r, q.Get("redirect_uri")+"?code=thecode&state="+url.QueryEscape(q.Get("state")), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("code") != "thecode" || r.FormValue("code_verifier") == "" {
			t.Errorf("token: %v", r.Form)
		}
		claims := map[string]any{"iss": i.URL, "aud": "cis", "sub": "1", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "nonce": i.nonce}
		for k, v := range i.claims {
			claims[k] = v
		}
		send(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": i.token(t, claims)})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) token(t *testing.T, claims map[string]any) string {
	part := func(v any) string {
		raw, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	text := part(map[string]string{"alg": "RS256", "kid": "k", "typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Error(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	idp := newIssuer(t)
	s := startStage(t, map[string]string{"CIS_OIDC_ISSUER": idp.URL, "CIS_OIDC_CLIENT_ID": "cis", "CIS_OIDC_CLIENT_SECRET": "secret"})
	ctx := within(t, time.Minute)
	s.must(t, ctx, 202, "PUT", "/v1/members/ada@example.com", s.key, map[string]string{"role": "auditor"})
	for _, c := range []struct {
		what   string
		claims map[string]any
		want   int
		says   string
	}{
		{"somebody with a role", map[string]any{"email": "Ada@example.com", "email_verified": true}, 200, "auditor"},
		{"somebody without", map[string]any{"email": "eve@example.com", "email_verified": true}, 403, "scope-missing"},
		{"an address nobody verified", map[string]any{"email": "ada@example.com", "email_verified": false}, 403, "oidc-refused"},
		{"a token for somebody else", map[string]any{"email": "ada@example.com", "email_verified": true, "aud": "other"}, 403, "oidc-refused"},
		{"a token from another sign-in", map[string]any{"email": "ada@example.com", "email_verified": true, "nonce": "x"}, 403, "oidc-refused"},
		{"a token that is over", map[string]any{"email": "ada@example.com", "email_verified": true, "exp": time.Now().Add(-time.Hour).Unix()}, 403, "oidc-refused"},
	} {
		t.Run(c.what, func(t *testing.T) {
			idp.claims = c.claims
			if code, body := s.browser(t).open(t, "/sign-in/oidc", nil); code != c.want || !strings.Contains(body, c.says) {
				t.Errorf("%d %s, want %d %s", code, body, c.want, c.says)
			}
		})
	}
	t.Run("an answer that this browser did not ask for", func(t *testing.T) {
		if code, _ := s.browser(t).open(t, "/sign-in/oidc/callback?code=thecode&state=x", nil); code != 403 {
			t.Errorf("%d", code)
		}
	})
	t.Run("the page offers it", func(t *testing.T) {
		if _, body := s.browser(t).open(t, "/sign-in", nil); !strings.Contains(body, "/sign-in/oidc") {
			t.Errorf("%s", body)
		}
	})
}

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/history/erasure"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/facts"
)

// needles are what of somebody must not be found anywhere, in the ways files hold text.
func needles(words ...string) (out [][]byte) {
	for _, w := range words {
		out = append(out, []byte(w), []byte(strings.ToLower(w)))
		var wide []byte
		for _, r := range utf16.Encode([]rune(w)) {
			wide = append(wide, byte(r), byte(r>>8))
		}
		out = append(out, wide)
	}
	return out
}

// haystack finds the files of a process that hold any of the needles: its data folder, its database wherever that is, and
// all it ever printed.
func (p *process) haystack(needles [][]byte) (found []string) {
	p.t.Helper()
	places := []string{p.data, p.out}
	if c := cluster(p.data); !strings.HasPrefix(c, p.data) {
		places = append(places, c)
	}
	return filesWith(p.t, needles, places...)
}

// cluster is where the private database of a data folder is.
func cluster(data string) string {
	if raw, err := os.ReadFile(filepath.Join(data, "postgres.path")); err == nil {
		return strings.TrimSpace(string(raw))
	}
	return filepath.Join(data, "postgres")
}

// filesWith finds the files in some places that hold any of the needles.
func filesWith(t testing.TB, needles [][]byte, places ...string) (found []string) {
	t.Helper()
	for _, place := range places {
		err := filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
				return nil
			}
			if err != nil {
				return err
			}
			raw, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			for _, n := range needles {
				if i := bytes.Index(raw, n); i >= 0 {
					found = append(found, fmt.Sprintf("%s at %d: %q", path, i, raw[max(0, i-40):min(len(raw), i+60)]))
					break
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestErase erases somebody who was invited alone and in a table, answered with a comment, is named in others' mail, and
// has mail waiting in the outbox; and then looks into every byte there is.
func TestErase(t *testing.T) {
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.env = append(p.env, "LOG_LEVEL=debug")
	p.run(ctx)
	s := p.stage(relay)
	const ann, name = "annabelle@quillfeather.example", "Annabelle Quillfeather"
	words := needles(ann, name, "Quillfeather", "gluten-quokka")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "erase@google.com")
	must(err)
	answer := func(who, name, comment string) {
		t.Helper()
		must(s.mail(who, "rsvp@cis.localhost", clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: who, Name: name, PartStat: "ACCEPTED", Start: time.Now(), Extra: "COMMENT:" + comment + "\n",
		})))
	}
	must(s.invite(ctx, uid, ann, name))
	must(s.invite(ctx, uid, "bob@guests.example", "Bob"))
	_, err = s.calendar(ctx, ann, 1)
	must(err)
	answer(ann, name, "I am gluten-quokka free")
	answer("bob@guests.example", "Bob", "hello")
	must(s.counted(ctx, uid, map[string]int64{"accepted": 2}))
	must(s.mail("carol@guests.example", "create@cis.localhost", clientmail.Text("carol@guests.example", "create@cis.localhost", "Who comes?", "Does "+strings.ToUpper(ann)+" come?")))
	must(s.mail("carol@guests.example", "create@cis.localhost", clientmail.Text("carol@guests.example", "create@cis.localhost", "Who?", "Does "+name+" come?")))

	p.end(syscall.SIGTERM)
	olderKeys, err := os.ReadFile(filepath.Join(p.data, "vault.db"))
	must(err)
	p.env = append(p.env, "CIS_RELAY=") // from here on into the outbox
	p.run(ctx)
	_, _, err = s.get(ctx, "/invite?uid="+uid+"&email="+ann, "")
	must(err)
	outboxMails := func() int {
		list, _ := filepath.Glob(filepath.Join(p.data, "outbox", "new", "*"))
		return len(list)
	}
	must(s.invite(ctx, uid, "dora@guests.example", "Dora"))
	eventually(t, ctx, "mail in the outbox", func() error {
		if outboxMails() == 0 {
			return errors.New("none")
		}
		return nil
	})
	must(os.WriteFile(filepath.Join(p.data, "outbox", "new", "her.cis"), clientmail.Text("a@b.example", ann, "Hello", "hello"), 0o600))
	before := outboxMails()

	db := p.beside(ctx)
	defer db.close()
	eventually(t, ctx, "mails handled", func() error {
		n, err := unhandled(ctx, db)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d are not", n)
		}
		return err
	})
	_, err = db.pool.Exec(ctx, `CHECKPOINT`)
	must(err)
	if found := p.haystack(words); len(found) < 3 {
		t.Fatalf("before, they should be in the outbox, in the database's tables and in its write-ahead log: %q", found)
	}
	numbers := func() string {
		t.Helper()
		_, body, err := s.get(ctx, "/event/"+uid+"/statistics", "key")
		must(err)
		return string(body)
	}
	counted := numbers()
	exported := func() (out string) {
		t.Helper()
		for _, args := range [][]string{
			{"export", "facts", "--personal"}, {"export", "facts", "--personal", "--format", "csv"}, {"audit", "export"}, {"audit", "show", uid}, {"audit", "search", "--since", "2020-01-01"},
			{"export", "model", "attendees", "--personal", "--out", t.TempDir()}, {"export", "model", "attendees", "--personal", "--format", "csv", "--out", t.TempDir()},
		} {
			said, err := p.command(args...)
			if err != nil {
				t.Errorf("%s: %v\n%s", args, err, said)
			}
			if args[len(args)-2] == "--out" {
				files, err := filepath.Glob(filepath.Join(args[len(args)-1], "*"))
				must(err)
				for _, f := range files {
					raw, err := os.ReadFile(f)
					must(err)
					said += string(raw)
				}
			}
			out += said + "\n"
		}
		return out
	}
	if n := strings.Count(exported(), name); n < 6 {
		t.Errorf("before, she should be in what is exported, and is %d times", n)
	}

	// A look changes nothing; who is not known, and who is needed, is refused.
	out, err := p.command("recipients", "erase", ann)
	if err != nil || !strings.Contains(out, "2 received mails name them") || !strings.Contains(out, "1 more mails say their full name") {
		t.Fatalf("a look: %v\n%s", err, out)
	}
	refused := func(who, want string) {
		t.Helper()
		if out, err := p.command("recipients", "erase", who, "--yes"); err == nil || !strings.Contains(out, want) {
			t.Errorf("erasing %s: %v\n%s", who, err, out)
		}
	}
	refused("nobody@guests.example", "nothing is kept about this address")
	refused("olga@organizer.example", "they organize 1 events that are not over")
	refused("nonsense", "address")

	file := filepath.Join(filepath.Dir(p.out), "certificate.json")
	out, err = p.command("recipients", "erase", strings.ToUpper(ann), "--yes", "--names", "--out", file)
	if err != nil {
		t.Fatalf("erasing: %v\n%s", err, out)
	}
	var c erasure.Certificate
	raw, err := os.ReadFile(file)
	must(err)
	must(json.Unmarshal(raw, &c))
	if c.Outbox != 1 || outboxMails() != before-1 || len(c.Mails) != 3 || c.Keys != len(c.Mails)+1 || len(c.Remaining) != 0 {
		t.Errorf("certificate: %s", raw)
	}
	digest := sha256.Sum256(raw)
	if s, err := db.handler().Recipient(ctx, c.Person); err != nil || s.Certified != hex.EncodeToString(digest[:]) || len(s.ErasedMails) != len(c.Mails) {
		t.Errorf("the log says %+v, %v", s, err)
	}
	clean := func(when string) {
		t.Helper()
		for _, f := range p.haystack(words) {
			t.Errorf("%s: %s", when, f)
		}
	}
	clean("afterwards")

	// What people see: the same numbers, of somebody without a name.
	if after := numbers(); after != counted {
		t.Errorf("the numbers were %s, are %s", counted, after)
	}
	for _, path := range []string{"/event/" + uid + "/attendees", "/v1/events/" + uid + "/attendees", "/v1/events/" + uid + "/history", "/v1/mails"} {
		_, body, err := s.get(ctx, path, "key")
		must(err)
		if slices.ContainsFunc(words, func(w []byte) bool { return bytes.Contains(body, w) }) {
			t.Errorf("%s: %s", path, body)
		}
	}
	looked := func() {
		t.Helper()
		out := exported()
		for _, w := range words {
			if i := strings.Index(out, string(w)); i >= 0 {
				t.Errorf("exported: %q", out[max(0, i-100):min(len(out), i+100)])
			}
		}
		if !strings.Contains(out, "bob@guests.example") || !strings.Contains(out, "RecipientErased") {
			t.Errorf("what is exported is not all: %s", out)
		}
	}
	looked()
	verify := func() {
		t.Helper()
		if out, err := p.command("projections", "verify"); err != nil {
			t.Errorf("verify: %v\n%s", err, out)
		}
	}
	verify()

	// They cannot be invited any more; what they write is not kept.
	must(s.invite(ctx, uid, ann, name)) // the page tells nobody who is invited and who is not
	answer(ann, name, "I am back")
	eventually(t, ctx, "the answer thrown away", func() error {
		return ignoredAsErased(ctx, db)
	})
	_, err = p.command("recipients", "erase", ann, "--yes") // asked again, it takes along what came in
	must(err)
	if out, err := p.command("projections", "rebuild", "--all"); err != nil {
		t.Errorf("rebuild: %v\n%s", err, out)
	}
	verify()
	if after := numbers(); after != counted {
		t.Errorf("after a rebuild the numbers are %s, were %s", after, counted)
	}
	clean("after they wrote again and everything was rebuilt")
	looked()

	db.close()
	p.end(syscall.SIGTERM)
	clean("at rest")

	// An older copy of the keys is brought back: what was erased is erased again.
	must(os.WriteFile(filepath.Join(p.data, "vault.db"), olderKeys, 0o600))
	back := p.ended(ctx)
	defer back.close()
	if has, err := back.facts.Vault().Has(c.Person); err != nil || !has {
		t.Fatalf("the older copy has the key: %v, %v", has, err)
	}
	if n, err := erasure.Repeat(ctx, back.facts); err != nil || n < 3 {
		t.Errorf("repeating: %d keys, %v", n, err)
	}
	if has, err := back.facts.Vault().Has(c.Person); err != nil || has {
		t.Errorf("after repeating: %v, %v", has, err)
	}
}

func ignoredAsErased(ctx context.Context, p *parts) error {
	found := errors.New("not handled yet")
	_, err := facts.History{Log: p.facts}.Each(ctx, func(rec facts.Recorded) error {
		if f, ok := rec.Fact.(mail.MailHandled); ok && f.Reason == recipient.ErrErased.Code {
			found = nil
		}
		return nil
	})
	return errors.Join(found, err)
}

// unhandled counts received mails that were not handled yet.
func unhandled(ctx context.Context, p *parts) (n int, err error) {
	_, err = facts.History{Log: p.facts}.Each(ctx, func(rec facts.Recorded) error {
		switch rec.Fact.(type) {
		case mail.MailReceived:
			n++
		case mail.MailHandled:
			n--
		}
		return nil
	})
	return n, err
}

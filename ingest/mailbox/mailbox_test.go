package mailbox_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/calendar-invite-server/cis/ingest/mailbox"
	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, path string) (mails []string, err error) {
	t.Helper()
	err = mailbox.Each(path, 1000, func(_ string, raw []byte) error {
		mails = append(mails, string(raw))
		return nil
	})
	return mails, err
}

func write(t *testing.T, path, data string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEach(t *testing.T) {
	dir := t.TempDir()
	mbox := "From a@b Fri Nov 20 12:00:00 2026\nSubject: one\n\nFrom here on\n>From there\n\nFrom c@d Fri Nov 20 12:00:01 2026\nSubject: two\n\nbody\n"
	write(t, filepath.Join(dir, "Maildir", "cur", "1.a:2,S"), "Subject: old\n\n")
	write(t, filepath.Join(dir, "Maildir", "new", "2.b"), "Subject: new\n\n")
	write(t, filepath.Join(dir, "Maildir", "tmp", "3.c"), "half a ma")
	for name, c := range map[string]struct {
		path string
		want []string
	}{
		"a single mail":                     {write(t, filepath.Join(dir, "a.eml"), "Subject: x\n\nbody"), []string{"Subject: x\n\nbody"}},
		"an mbox, with quoted separators":   {write(t, filepath.Join(dir, "mbox"), mbox), []string{"Subject: one\n\nFrom here on\nFrom there\n\n", "Subject: two\n\nbody\n"}},
		"a Maildir, without what is in tmp": {filepath.Join(dir, "Maildir"), []string{"Subject: old\n\n", "Subject: new\n\n"}},
	} {
		got, err := read(t, c.path)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	t.Run("what is too large costs only itself", func(t *testing.T) {
		big := strings.Replace(mbox, "From there", strings.Repeat("x", 5000), 1)
		got, err := read(t, write(t, filepath.Join(dir, "big"), big))
		if !errors.Is(err, mailbox.ErrTooLarge) || len(got) != 1 || !strings.Contains(got[0], "two") {
			t.Errorf("%q, %v", got, err)
		}
		if got, err := read(t, write(t, filepath.Join(dir, "big.eml"), strings.Repeat("x", 5000))); !errors.Is(err, mailbox.ErrTooLarge) || len(got) != 0 {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("what is not there is an error", func(t *testing.T) {
		if _, err := read(t, filepath.Join(dir, "nowhere")); err == nil {
			t.Error("no error")
		}
	})
}

package ical_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/ical"
)

// corpus lists the files of CIS_CORPUS with an extension; none if it is not set.
func corpus(ext string) (files []string) {
	_ = filepath.WalkDir(os.Getenv("CIS_CORPUS"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.EqualFold(filepath.Ext(path), ext) {
			files = append(files, path)
		}
		return nil
	})
	return files
}

// TestCorpus reads every .ics of CIS_CORPUS: real and test files of many clients, which are not ours to commit. At most
// two of 1,703 may be unreadable, none may take a second, and a zone nobody knows must be flagged.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("CIS_CORPUS")
	if dir == "" {
		t.Skip("CIS_CORPUS is not set: no folder of calendar files to read")
	}
	files, unreadable, unresolved := 0, 0, 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.EqualFold(filepath.Ext(path), ".ics") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		begin := time.Now()
		all, err := ical.ReadAll(data)
		if took := time.Since(begin); took > slow*time.Second {
			t.Errorf("%s took %v", path, took)
		}
		if err != nil {
			unreadable++
			t.Logf("%s (%d bytes, calendar: %v): %v", path, len(data), bytes.Contains(bytes.ToUpper(data), []byte("BEGIN:VCALENDAR")), err)
			return nil
		}
		for _, cal := range all {
			if len(cal.Unknown) > 0 {
				unresolved++
				t.Logf("%s: unknown zones %q", path, cal.Unknown)
			}
			for _, e := range cal.Events {
				if len(e.Problems) > 0 {
					t.Logf("%s: %s: %q", path, e.UID, e.Problems)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files, %d unreadable, %d with unknown zones", files, unreadable, unresolved)
	if unreadable*1703 > 2*files {
		t.Errorf("%d of %d files cannot be read", unreadable, files)
	}
}

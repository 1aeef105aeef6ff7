// Package mailbox reads mails from files: single ones, mbox (RFC 4155) and Maildir.
//
// Start reading at [Each].
package mailbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// ErrTooLarge says that a mail has more bytes than allowed.
var ErrTooLarge = errors.New("the mail is too large")

// Each calls f for every mail in a file or folder: a Maildir (its cur and new), a folder of files, an mbox, or a single
// mail. name says where in it the mail stands. An error of f for one mail does not keep the others from being read; all
// errors come back joined. Mails of more than limit bytes are skipped, with [ErrTooLarge].
func Each(path string, limit int, f func(name string, raw []byte) error) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return eachInFile(path, limit, f)
	}
	dirs := []string{path}
	if isMaildir(path) {
		dirs = []string{filepath.Join(path, "cur"), filepath.Join(path, "new")}
	}
	var failed []error
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir) // sorted: Maildir names begin with the time
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Type().IsRegular() && e.Name()[0] != '.' {
				failed = append(failed, eachInFile(filepath.Join(dir, e.Name()), limit, f))
			}
		}
	}
	return errors.Join(failed...)
}

func isMaildir(path string) bool {
	return !slices.ContainsFunc([]string{"cur", "new"}, func(sub string) bool {
		info, err := os.Stat(filepath.Join(path, sub))
		return err != nil || !info.IsDir()
	})
}

func eachInFile(path string, limit int, f func(string, []byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	r := bufio.NewReaderSize(file, 64<<10)
	if head, _ := r.Peek(5); string(head) == "From " {
		return eachInMbox(path, r, limit, f)
	}
	raw, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return err
	case len(raw) > limit:
		return fmt.Errorf("%s: %w", path, ErrTooLarge)
	case len(bytes.TrimSpace(raw)) == 0:
		return fmt.Errorf("%s: it is empty", path)
	}
	return named(path, f(path, raw))
}

// separator begins a mail in an mbox: From, an address, a time.
var separator = regexp.MustCompile(`^From .*\d\d:\d\d`)

// quoted is a line that would look like a separator, as mboxrd writes it.
var quoted = regexp.MustCompile(`^>+From `)

func eachInMbox(path string, r *bufio.Reader, limit int, f func(string, []byte) error) error {
	var failed []error
	var mail bytes.Buffer
	n, tooLarge, blank := 0, false, true
	flush := func() {
		name := fmt.Sprintf("%s#%d", path, n)
		switch {
		case tooLarge:
			failed = append(failed, fmt.Errorf("%s: %w", name, ErrTooLarge))
		case mail.Len() > 0:
			failed = append(failed, named(name, f(name, bytes.Clone(mail.Bytes()))))
		}
		mail.Reset()
		tooLarge = false
	}
	for {
		line, err := readLine(r, limit)
		if len(line) > 0 {
			switch {
			case blank && separator.Match(line):
				flush()
				n++
			case tooLarge:
			case mail.Len()+len(line) > limit:
				tooLarge = true
			case quoted.Match(line):
				mail.Write(line[1:])
			default:
				mail.Write(line)
			}
			blank = len(bytes.TrimRight(line, "\r\n")) == 0
		}
		if err != nil {
			flush()
			if !errors.Is(err, io.EOF) {
				failed = append(failed, fmt.Errorf("%s: %w", path, err))
			}
			return errors.Join(failed...)
		}
	}
}

// readLine reads a line; of one that is longer than limit only the beginning.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line) <= limit {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func named(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

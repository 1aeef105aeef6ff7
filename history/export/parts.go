package export

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/calendar-invite-server/cis/internal/durable"
)

// perPart is how many rows a part has at most.
const perPart = 100_000

// parts writes rows into the files of a folder, one after the other. Each is named for the position it goes up to, and has
// its name when it is whole.
type parts struct {
	dir, name string
	format    Format
	columns   []column

	file *os.File
	w    writer
	rows int
	last uint64
}

// reached is the position that the parts in a folder go up to.
func reached(dir, name string, f Format) (last uint64, err error) {
	files, err := filepath.Glob(filepath.Join(dir, name+"-*."+string(f)))
	for _, file := range files {
		number := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), name+"-"), "."+string(f))
		if n, err := strconv.ParseUint(number, 10, 64); err == nil {
			last = max(last, n)
		}
	}
	return last, err
}

func (p *parts) partial() string { return filepath.Join(p.dir, p.name+".partial") }

func (p *parts) write(position uint64, row []any) (err error) {
	if p.file == nil {
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return err
		}
		if p.file, err = os.OpenFile(p.partial(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
			return err
		}
		if p.w, err = newWriter(p.file, p.format, p.columns); err != nil {
			return err
		}
	}
	if err := p.w.write(row); err != nil {
		return err
	}
	p.rows, p.last = p.rows+1, position
	if p.rows == perPart {
		return p.end()
	}
	return nil
}

// end gives the part that is being written its name.
func (p *parts) end() error {
	if p.file == nil {
		return nil
	}
	err := errors.Join(p.w.close(), p.file.Sync(), p.file.Close())
	if err == nil {
		err = durable.Rename(p.partial(), filepath.Join(p.dir, fmt.Sprintf("%s-%020d.%s", p.name, p.last, p.format)))
	}
	p.file, p.rows = nil, 0
	return err
}

// abandon removes a part that is not whole.
func (p *parts) abandon() {
	if p.file != nil {
		_ = p.file.Close()
	}
	_ = os.Remove(p.partial()) // or the next export writes over it
}

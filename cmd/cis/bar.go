package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/internal/projector"
)

// bar shows how far something is: a line that changes on a terminal, a line now and then elsewhere.
type bar struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	last  time.Time
	phase string
	shown bool
}

func newBar(w io.Writer) *bar {
	b := &bar{w: w, last: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

func (b *bar) show(p projector.JobProgress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	pause := 5 * time.Second
	if b.terminal {
		pause = 100 * time.Millisecond
	}
	if time.Since(b.last) < pause && (!b.terminal || p.Phase == b.phase) {
		return
	}
	b.last, b.phase = time.Now(), p.Phase
	text := p.Phase
	if p.Head > 0 {
		const width = 30
		full := int(p.Done() * width)
		text = fmt.Sprintf("%-12s %s%s %3.0f%%  %d facts  %.0f/s", p.Phase, strings.Repeat("█", full), strings.Repeat("░", width-full), 100*p.Done(), p.Facts, p.Rate)
		if p.Left >= 1 {
			text += "  " + (time.Duration(p.Left) * time.Second).String() + " left"
		}
	}
	if b.terminal {
		_, _ = fmt.Fprintf(b.w, "\r\x1b[K%s", text)
		b.shown = true
		return
	}
	_, _ = fmt.Fprintln(b.w, text)
}

// end leaves the terminal's line to others.
func (b *bar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown {
		_, _ = fmt.Fprint(b.w, "\r\x1b[K")
	}
}

package audit

import (
	_ "embed" // report.html
	"encoding/csv"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/calendar-invite-server/cis/history/export"
)

//go:embed report.html
var reportHTML string

var page = template.Must(template.New("report").Parse(reportHTML))

// Report writes a trail into a folder, for an auditor to take away: report.html, report.csv and report.json.
func (t Trail) Report(dir string, made time.Time, by string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(
		create(filepath.Join(dir, "report.html"), func(w io.Writer) error {
			return page.Execute(w, struct {
				Trail
				Made string
				By   string
			}{t, made.UTC().Format(time.RFC3339), by})
		}),
		create(filepath.Join(dir, "report.csv"), t.csv),
		create(filepath.Join(dir, "report.json"), func(w io.Writer) error {
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			return enc.Encode(t)
		}),
	)
}

func create(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func (t Trail) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"position", "time", "stream", "revision", "fact", "words", "actor", "by", "command", "correlation", "causation", "data"}) // Error says
	for _, e := range t.Entries {
		_ = out.Write([]string{
			strconv.FormatUint(e.Position, 10), e.At.Format(time.RFC3339Nano), e.Stream, strconv.FormatUint(e.Revision, 10), e.Type, export.Cell(e.Words),
			e.Actor, export.Cell(e.By), e.Command, e.Correlation, e.Causation, string(e.Data),
		})
	}
	out.Flush()
	return out.Error()
}

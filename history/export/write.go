package export

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
)

// Format is how an export is written.
type Format string

// The formats there are.
const (
	CSV     Format = "csv"
	NDJSON  Format = "ndjson"
	Parquet Format = "parquet"
)

// ErrFormat says that there is no such format.
var ErrFormat = errors.New("the formats are ndjson, csv and parquet")

// kind is what a column holds.
type kind int

const (
	text kind = iota
	number
	moment
	object // JSON
)

type column struct {
	name string
	kind kind
}

// writer writes rows: string, int64, time.Time and json.RawMessage by the column's kind; nil where there is nothing.
type writer interface {
	write(row []any) error
	close() error
}

func newWriter(w io.Writer, f Format, columns []column) (writer, error) {
	switch f {
	case CSV:
		out := csv.NewWriter(w)
		names := make([]string, len(columns))
		for i, c := range columns {
			names[i] = c.name
		}
		return &csvWriter{out}, out.Write(names)
	case NDJSON:
		return &lineWriter{w: bufio.NewWriterSize(w, 1<<16), columns: columns}, nil
	case Parquet:
		return newParquet(w, columns), nil
	}
	return nil, ErrFormat
}

type csvWriter struct{ out *csv.Writer }

func (w *csvWriter) write(row []any) error {
	cells := make([]string, len(row))
	for i, v := range row {
		switch v := v.(type) {
		case nil:
		case string:
			cells[i] = Cell(v)
		case int64:
			cells[i] = strconv.FormatInt(v, 10)
		case time.Time:
			cells[i] = v.UTC().Format(time.RFC3339Nano)
		case json.RawMessage:
			cells[i] = string(v)
		}
	}
	return w.out.Write(cells)
}

func (w *csvWriter) close() error {
	w.out.Flush()
	return w.out.Error()
}

// Cell keeps spreadsheets from taking what somebody wrote for a formula.
func Cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// lineWriter writes an object a line, in the order of the columns.
type lineWriter struct {
	w       *bufio.Writer
	columns []column
}

func (w *lineWriter) write(row []any) error {
	sep := byte('{')
	for i, v := range row {
		if v == nil {
			continue
		}
		if t, ok := v.(time.Time); ok {
			v = t.UTC().Format(time.RFC3339Nano)
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(w.w, "%c%q:%s", sep, w.columns[i].name, raw) // Flush says
		sep = ','
	}
	if sep == '{' {
		_ = w.w.WriteByte('{')
	}
	_, err := w.w.WriteString("}\n")
	return err
}

func (w *lineWriter) close() error { return w.w.Flush() }

// parquetWriter writes rows with a schema of its own; every column may be empty.
type parquetWriter struct {
	out   *parquet.GenericWriter[any]
	order []int // of our columns, where the file has them: by name
	kinds []kind
}

func newParquet(w io.Writer, columns []column) writer {
	group := parquet.Group{}
	names := make([]string, len(columns))
	p := &parquetWriter{order: make([]int, len(columns)), kinds: make([]kind, len(columns))}
	for i, c := range columns {
		names[i], p.kinds[i] = c.name, c.kind
		switch c.kind {
		case number:
			group[c.name] = parquet.Optional(parquet.Int(64))
		case moment:
			group[c.name] = parquet.Optional(parquet.Timestamp(parquet.Microsecond))
		case object:
			group[c.name] = parquet.Optional(parquet.JSON())
		default:
			group[c.name] = parquet.Optional(parquet.String())
		}
	}
	sorted := slices.Sorted(slices.Values(names))
	for i, n := range names {
		p.order[i] = slices.Index(sorted, n)
	}
	p.out = parquet.NewGenericWriter[any](w, parquet.NewSchema("row", group), parquet.Compression(&parquet.Zstd))
	return p
}

func (p *parquetWriter) write(row []any) error {
	out := make(parquet.Row, len(row))
	for i, v := range row {
		at := p.order[i]
		switch v := v.(type) {
		case nil:
			out[at] = parquet.NullValue().Level(0, 0, at)
			continue
		case time.Time:
			out[at] = parquet.Int64Value(v.UnixMicro())
		case int64:
			out[at] = parquet.Int64Value(v)
		case json.RawMessage:
			out[at] = parquet.ByteArrayValue(v)
		case string:
			out[at] = parquet.ByteArrayValue([]byte(v))
		}
		out[at] = out[at].Level(0, 1, at)
	}
	_, err := p.out.WriteRows([]parquet.Row{out})
	return err
}

func (p *parquetWriter) close() error { return p.out.Close() }

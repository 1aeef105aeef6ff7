package export

import (
	"context"
	"io"
	"strings"

	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/secret"
)

// Options are what is exported, and how.
type Options struct {
	Tenant   string
	Format   Format
	Dir      string    // gets the parts; empty: everything goes to Out
	Out      io.Writer // not for Parquet
	Personal bool      // in full; else pseudonyms
	Keys     secret.Keys
	Source   string // of CloudEvents: the installation's URL
	Tell     func(rows int64)
}

// pseudonym stands for something personal: the same everywhere for the same text, in any case, and nobody without the
// installation's secret can tell whose it is.
func (o Options) pseudonym(text string) string {
	if o.Personal || text == "" {
		return text
	}
	return "~" + o.Keys.Digest([]byte(strings.ToLower(text)))
}

var factColumns = []column{
	{"position", number}, {"time", moment}, {"stream", text}, {"revision", number}, {"id", text}, {"type", text}, {"tenant", text},
	{"actor", text}, {"by", text}, {"command", text}, {"correlation", text}, {"causation", text}, {"data", object},
}

// eventColumns are those of a CloudEvent (CNCF CloudEvents 1.0, JSON format), with the rest as extensions.
var eventColumns = []column{
	{"specversion", text}, {"id", text}, {"source", text}, {"type", text}, {"subject", text}, {"time", moment}, {"datacontenttype", text},
	{"cisposition", number}, {"cisrevision", number}, {"cistenant", text}, {"cisactor", text}, {"cisby", text}, {"ciscorrelation", text}, {"data", object},
}

// Facts exports a tenant's facts, and returns how many. Into a folder, it goes on behind what is there.
func Facts(ctx context.Context, log *facts.Log, o Options) (int64, error) {
	columns := factColumns
	if o.Format == NDJSON {
		columns = eventColumns
	}
	p := &parts{dir: o.Dir, name: "facts", format: o.Format, columns: columns}
	after, n := uint64(0), int64(0)
	put, end := p.write, p.end
	if o.Dir == "" {
		w, err := newWriter(o.Out, o.Format, columns)
		if err != nil {
			return 0, err
		}
		end = w.close
		put = func(_ uint64, row []any) error { return w.write(row) }
	} else {
		var err error
		if after, err = reached(o.Dir, p.name, o.Format); err != nil {
			return 0, err
		}
		defer p.abandon()
	}
	err := log.Store().Follow(ctx, facts.FactStreams(), after, 1000, func(page eventstore.Page) error {
		for _, r := range page.Records {
			row, err := o.row(ctx, log, r)
			if err != nil {
				return err
			}
			if row == nil {
				continue
			}
			if err := put(r.Position, row); err != nil {
				return err
			}
			n++
		}
		o.Tell(n)
		if page.CaughtUp {
			return eventstore.ErrDone
		}
		return nil
	})
	if err == nil {
		err = end()
	}
	return n, err
}

// row shapes a fact; nil if it is another tenant's.
func (o Options) row(ctx context.Context, log *facts.Log, r eventstore.Recorded) ([]any, error) {
	rec, err := facts.Decode(r)
	if err != nil {
		return nil, err
	}
	meta, err := rec.Meta()
	if err != nil || meta.Tenant != o.Tenant {
		return nil, err
	}
	var fact schema.Fact
	if fact, err = log.Rewritten(ctx, rec, o.pseudonym); err != nil {
		return nil, err
	}
	data, err := facts.Shown(fact)
	if err != nil {
		return nil, err
	}
	name := fact.FactName()
	if o.Format == NDJSON {
		return []any{
			"1.0", rec.ID.String(), o.Source, "cis." + name, rec.Stream, rec.Created, "application/json",
			int64(rec.Position), int64(rec.Revision), meta.Tenant, nilIfEmpty(meta.Actor), nilIfEmpty(meta.By), nilIfEmpty(meta.Correlation), data,
		}, nil
	}
	return []any{
		int64(rec.Position), rec.Created, rec.Stream, int64(rec.Revision), rec.ID.String(), name, meta.Tenant,
		nilIfEmpty(meta.Actor), nilIfEmpty(meta.By), meta.Command.String(), nilIfEmpty(meta.Correlation), nilIfEmpty(meta.Causation), data,
	}, nil
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

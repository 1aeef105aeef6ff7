package embedded

import (
	"fmt"
	"regexp"
	"strings"

	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// filter decides which records a reader of $all gets.
type filter struct {
	match      func(*record) bool
	checkpoint int // considered records between two checkpoints; 0: none are sent
}

func everything(*record) bool { return true }

// newFilter translates the protocol's filter. Regular expressions are RE2 here and .NET's on a real server.
func newFilter(opts *api.ReadReq_Options) (filter, error) {
	spec := opts.GetFilter()
	if spec == nil {
		return filter{match: everything}, nil
	}
	f := filter{checkpoint: max(1, int(spec.GetMax())) * max(1, int(spec.GetCheckpointIntervalMultiplier()))}
	field := func(r *record) string { return r.typ }
	expr := spec.GetEventType()
	if expr == nil {
		field, expr = func(r *record) string { return r.stream }, spec.GetStreamIdentifier()
	}
	if text := expr.GetRegex(); text != "" {
		re, err := regexp.Compile(text)
		if err != nil {
			return f, fmt.Errorf("filter: %w", err)
		}
		f.match = func(r *record) bool { return re.MatchString(field(r)) }
		return f, nil
	}
	prefixes := expr.GetPrefix()
	f.match = func(r *record) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(field(r), p) {
				return true
			}
		}
		return false
	}
	return f, nil
}

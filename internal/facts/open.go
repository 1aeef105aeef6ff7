package facts

import (
	"context"
	"errors"
	"fmt"

	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/google/uuid"
)

// ErrOtherKey says that the log was begun with another secret.
var ErrOtherKey = errors.New("the log was begun with another secret: start with the CIS_SECRET it was made with, or with another data folder")

// OpenLog makes sure that the log is the one this secret belongs to, beginning it if it is new. It returns the log's id,
// and a name of the place it is in: positions mean nothing in another.
func (l *Log) OpenLog(ctx context.Context, fingerprint string) (id, place string, err error) {
	for {
		list, revision, err := l.Load(ctx, logbook.Stream)
		if err != nil {
			return "", "", fmt.Errorf("opening the log: %w", err)
		}
		if revision != eventstore.NoStream {
			opened, ok := list[0].(logbook.LogOpened)
			if !ok || opened.KeyFingerprint != fingerprint {
				return "", "", ErrOtherKey
			}
			place = opened.LogID
			for i, f := range list {
				if _, moved := f.(logbook.LogMoved); moved {
					place = fmt.Sprintf("%s/%d", opened.LogID, i)
				}
			}
			return opened.LogID, place, nil
		}
		begin := logbook.LogOpened{LogID: uuid.NewString(), KeyFingerprint: fingerprint}
		_, err = l.Append(ctx, logbook.Stream, eventstore.NoStream, Meta{Command: uuid.New(), Actor: "system"}, begin)
		if err != nil && !errors.Is(err, eventstore.ErrWrongRevision) { // wrong: another process began it; look again
			return "", "", fmt.Errorf("opening the log: %w", err)
		}
	}
}

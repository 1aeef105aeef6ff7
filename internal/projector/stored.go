package projector

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Stored is how far a generation has come, as the database says, whoever leads it.
type Stored struct {
	Name       string    `json:"name"`
	Version    int       `json:"version"`
	Generation int       `json:"generation"`
	Serving    bool      `json:"serving"`
	Position   int64     `json:"position"`
	Created    time.Time `json:"created"`
}

// List returns all generations in the database.
func List(ctx context.Context, pool *pgxpool.Pool) ([]Stored, error) {
	rows, err := pool.Query(ctx, `
		SELECT g.name, g.version, g.generation, s.generation IS NOT NULL AS serving, g.position, g.created
		FROM cis.generation g
		LEFT JOIN cis.serving s USING (name, version, generation)
		ORDER BY g.name, g.version, g.generation`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Stored])
}

package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Open connects to the server dsn names and waits for it up to the context's end.
func Open(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	conf, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: connection string: %w", err)
	}
	conf.MaxConns = max(conf.MaxConns, 16)
	conf.ConnConfig.RuntimeParams["application_name"] = "cis"
	conf.ConnConfig.ConnectTimeout = 5 * time.Second
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	for {
		err := pool.Ping(ctx)
		if err == nil {
			return pool, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			pool.Close()
			return nil, fmt.Errorf("postgres: no answer: %w", err)
		}
	}
}

package projector_test

import (
	"context"
	"testing"

	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
)

// TestWalls reads with queries that forget to say whose rows they want.
func TestWalls(t *testing.T) {
	w := newWorld(t, nil)
	w.p = projector.Projection{
		Name: "walls", Version: 1, Prefixes: []string{"none-"},
		Tables: `
			CREATE TABLE @.row (tenant text NOT NULL, n int NOT NULL);
			INSERT INTO @.row VALUES ('a', 1), ('b', 2), ('b', 3);
			CREATE TABLE @.bare (n int NOT NULL); INSERT INTO @.bare VALUES (1)`,
		Apply: func(context.Context, projector.Tx, []facts.Recorded) error { return nil },
	}
	_, stop := w.run("log")
	defer stop()
	serving := projector.NewServing(w.pool, w.p)
	for {
		if _, err := serving.Tables(w.ctx); err == nil {
			break
		} else if w.ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	for tenant, want := range map[string]int{"a": 1, "b": 2, "c": 0, "": 0} {
		list, err := projector.Collect[struct{ N int }](w.ctx, serving, tenant, `SELECT n FROM @.row`)
		if err != nil || len(list) != want {
			t.Errorf("tenant %q sees %v (%v), want %d rows", tenant, list, err, want)
		}
	}
	for what, sql := range map[string]string{
		"a table that does not say whose its rows are": `SELECT n FROM @.bare`,
		"a write":                   `INSERT INTO @.row VALUES ('a', 9) RETURNING n`,
		"a change of another's row": `UPDATE @.row SET tenant = 'a' RETURNING n`,
		"the checkpoints":           `SELECT position::int FROM cis.generation`,
	} {
		if list, err := projector.Collect[struct{ N int }](w.ctx, serving, "a", sql); err == nil {
			t.Errorf("%s was possible: %v", what, list)
		}
	}
	var who string
	var tenant *string
	if err := w.pool.QueryRow(w.ctx, `SELECT current_user, nullif(current_setting('cis.tenant', true), '')`).Scan(&who, &tenant); err != nil || who == "cis_reader" || tenant != nil {
		t.Errorf("the connection went back as %s of %v (%v)", who, tenant, err)
	}
}

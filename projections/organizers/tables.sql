-- Accounts as they are now. Their addresses and names stand in attendees' table person.
CREATE TABLE @.organizer (
	tenant    text        NOT NULL,
	id        text        PRIMARY KEY,
	events    int         NOT NULL DEFAULT 0, -- slots taken
	own_limit int,                            -- of events, if it has one of its own; 0: none
	paid      int         NOT NULL DEFAULT 0, -- subscriptions that run
	suspended boolean     NOT NULL DEFAULT false,
	bulk      boolean     NOT NULL DEFAULT false,
	language  text        NOT NULL DEFAULT '',
	first     timestamptz NOT NULL,
	changed   timestamptz NOT NULL
);
CREATE INDEX ON @.organizer (tenant, changed DESC, id);

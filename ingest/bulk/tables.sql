-- Tables of people to invite, and how far each was worked off.
CREATE TABLE @.bulk (
	bulk_id     text        PRIMARY KEY,
	tenant      text        NOT NULL,
	organizer   text        NOT NULL,
	rows        int         NOT NULL,
	done        int         NOT NULL DEFAULT 0,
	accepted    int         NOT NULL DEFAULT 0,
	rejected    int         NOT NULL DEFAULT 0,
	duplicate   int         NOT NULL DEFAULT 0,
	suppressed  int         NOT NULL DEFAULT 0,
	paused      boolean     NOT NULL DEFAULT false,
	stopped     boolean     NOT NULL DEFAULT false,
	fenced      boolean     NOT NULL DEFAULT false, -- begun before the log was brought back: it may have gone further since
	finished    timestamptz,
	started     timestamptz NOT NULL,
	due         timestamptz NOT NULL DEFAULT '-infinity',
	attempts    int         NOT NULL DEFAULT 0,
	lease_until timestamptz NOT NULL DEFAULT '-infinity',
	lease_owner text        NOT NULL DEFAULT ''
);
CREATE INDEX ON @.bulk (started) WHERE finished IS NULL;

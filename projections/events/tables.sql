-- Events as they are now. Whose address it is stands in attendees' table person.
CREATE TABLE @.event (
	tenant                text        NOT NULL,
	uid                   text        PRIMARY KEY,
	organizer_id          text        NOT NULL,
	original_organizer_id text        NOT NULL,
	status                text        NOT NULL, -- confirmed, cancelled
	sequence              int         NOT NULL,
	prodid                text        NOT NULL,
	summary               text        NOT NULL,
	description           text        NOT NULL,
	location              text        NOT NULL,
	starts                timestamptz NOT NULL,
	ends                  timestamptz NOT NULL,
	created               timestamptz NOT NULL,
	changed               timestamptz NOT NULL,
	position              bigint      NOT NULL, -- of the last fact, for paging and ETag
	times                 jsonb       NOT NULL, -- start, end and recurrence, as in the fact
	repeats               boolean     NOT NULL,
	revision              bigint      NOT NULL, -- of the event's stream, for ETag
	public                boolean     NOT NULL DEFAULT false -- shown to everybody
);
-- Instances that differ from their series.
CREATE TABLE @.exception (
	tenant    text    NOT NULL,
	uid       text    NOT NULL,
	instance  text    NOT NULL, -- the original start: 20261204T090000Z, or 20261204
	cancelled boolean NOT NULL,
	content   jsonb,            -- what it is like, as in the fact; null: as the series says
	PRIMARY KEY (uid, instance)
);
CREATE INDEX ON @.event (tenant, changed DESC, uid);
CREATE INDEX ON @.event (tenant, organizer_id, changed DESC, uid);
CREATE INDEX ON @.event (tenant, starts, uid);

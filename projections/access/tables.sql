-- Keys to the API; of the secrets there is nothing here.
CREATE TABLE @.key (
	tenant       text        NOT NULL,
	id           text        PRIMARY KEY,
	name         text        NOT NULL,
	scopes       text[]      NOT NULL,
	organizer_id text        NOT NULL, -- empty: all of the tenant
	created      timestamptz NOT NULL,
	expires      timestamptz,
	rotated      timestamptz,
	revoked      timestamptz,
	used         date                  -- the last day it was
);
CREATE INDEX ON @.key (tenant, created, id);
-- People with a role. Their addresses stand in attendees' table person.
CREATE TABLE @.member (
	tenant  text        NOT NULL,
	id      text        PRIMARY KEY,
	role    text        NOT NULL,
	granted timestamptz NOT NULL
);
-- Endpoints that are told what happens.
CREATE TABLE @.webhook (
	tenant   text        NOT NULL,
	id       text        PRIMARY KEY,
	url      text        NOT NULL,
	types    text[]      NOT NULL, -- none: all
	disabled text        NOT NULL DEFAULT '', -- why
	created  timestamptz NOT NULL,
	position bigint      NOT NULL -- delivered up to, at least
);

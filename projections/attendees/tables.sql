-- One row per invitation.
CREATE TABLE @.attendee (
	tenant    text        NOT NULL,
	event_uid text        NOT NULL,
	person_id text        NOT NULL,
	status    text        NOT NULL, -- noaction, accepted, declined, tentative
	origin    text        NOT NULL,
	prodid    text        NOT NULL,
	position  bigint      NOT NULL, -- of the fact that made them an attendee: the order of lists
	changed   timestamptz NOT NULL,
	PRIMARY KEY (event_uid, person_id)
);
CREATE INDEX ON @.attendee (event_uid, position);
-- The only place in the read models with addresses and names, as they were said last.
CREATE TABLE @.person (
	tenant  text NOT NULL,
	id      text NOT NULL PRIMARY KEY,
	address text NOT NULL,
	name    text NOT NULL
);

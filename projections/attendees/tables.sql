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
	stale     boolean     NOT NULL DEFAULT false, -- the answer is to an older version of the event
	bounced   boolean     NOT NULL DEFAULT false, -- their mail came back
	answered  timestamptz,                        -- when they last answered
	PRIMARY KEY (event_uid, person_id)
);
CREATE INDEX ON @.attendee (event_uid, position);
CREATE INDEX ON @.attendee (event_uid, answered) WHERE answered IS NOT NULL;
-- Answers to one instance of a series, where they differ from the answer to all of it.
CREATE TABLE @.instance (
	tenant    text NOT NULL,
	event_uid text NOT NULL,
	person_id text NOT NULL,
	instance  text NOT NULL, -- the original start: 20261204T090000Z, or 20261204
	status    text NOT NULL,
	stale     boolean NOT NULL,
	PRIMARY KEY (event_uid, person_id, instance)
);
-- What attendees wrote with their last answer.
CREATE TABLE @.comment (
	tenant    text NOT NULL,
	event_uid text NOT NULL,
	person_id text NOT NULL,
	comment   text NOT NULL,
	PRIMARY KEY (event_uid, person_id)
);
-- The only place in the read models with addresses and names, as they were said last; with comment, all that is personal.
CREATE TABLE @.person (
	tenant  text NOT NULL,
	id      text NOT NULL PRIMARY KEY,
	address text NOT NULL,
	name    text NOT NULL
);
-- Who was erased: nothing personal is written about them again.
CREATE TABLE @.erased (
	tenant text NOT NULL,
	id     text NOT NULL PRIMARY KEY
);

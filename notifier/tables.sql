-- What there is to tell about an event.
CREATE TABLE @.event (
	uid         text        PRIMARY KEY, -- or what a notice is about
	tenant      text        NOT NULL,
	organizer   text        NOT NULL DEFAULT '',
	revision    int         NOT NULL, -- the content revision everybody should know
	settled     timestamptz NOT NULL DEFAULT '-infinity', -- until then a change waits for further ones, to be told as one
	held        boolean     NOT NULL DEFAULT false, -- the organizer is suspended: only cancellations go out
	cancelled   boolean     NOT NULL DEFAULT false,
	reminder    int         NOT NULL DEFAULT 0, -- number of the last reminder
	reminder_at bigint      NOT NULL DEFAULT 0, -- where in the log it stands: who was invited later needs none
	since       timestamptz NOT NULL DEFAULT '-infinity', -- since when it is as it is
	look        timestamptz NOT NULL DEFAULT 'infinity', -- when to see whether a reminder is due
	position    bigint      NOT NULL DEFAULT 0 -- of the last fact about it
);
CREATE INDEX ON @.event (look) WHERE look < 'infinity';
CREATE INDEX ON @.event (organizer) WHERE organizer <> '';
-- When something may be owed about an event; infinity: nothing is. What people wait for (an invitation, an answer to their
-- mail) and what goes to many (tables of people, changes, reminders) are two queues, so that neither waits for the other.
CREATE TABLE @.queue (
	uid    text        NOT NULL,
	prompt boolean     NOT NULL,
	due    timestamptz NOT NULL,
	PRIMARY KEY (uid, prompt)
);
CREATE INDEX ON @.queue (prompt, due) WHERE due < 'infinity';
-- What a recipient was told.
CREATE TABLE @.mail (
	kind        text        NOT NULL, -- invite, or a notice's kind
	subject     text        NOT NULL, -- the event, or what a notice is about
	recipient   text        NOT NULL, -- a person
	tenant      text        NOT NULL,
	told        int         NOT NULL, -- the content revision they know, or cannot be told
	reminded    int         NOT NULL DEFAULT 0, -- number of the last reminder they had
	opened      bigint      NOT NULL DEFAULT 0, -- where in the log the row begins
	fenced      boolean     NOT NULL DEFAULT false, -- owed before the log was brought back: it may have been sent since
	bulk        text        NOT NULL DEFAULT '', -- the table of people that asked; -: something else that is no single request
	prompt      boolean     NOT NULL GENERATED ALWAYS AS (kind <> 'invite' OR told = 0 AND bulk = '') STORED,
	attempts    int         NOT NULL DEFAULT 0, -- failed ones since the last success
	due         timestamptz NOT NULL DEFAULT '-infinity',
	lease_until timestamptz NOT NULL DEFAULT '-infinity', -- later: a courier has it
	lease_owner text        NOT NULL DEFAULT '', -- the process it works in
	PRIMARY KEY (kind, subject, recipient)
);
CREATE INDEX ON @.mail (subject, prompt, told, reminded); -- one for both questions: every claim writes every index
CREATE INDEX ON @.mail (bulk) WHERE bulk <> '';
CREATE INDEX ON @.mail (lease_until) WHERE lease_until > '-infinity';
-- People who get nothing, because their address does not work or because they want nothing.
CREATE TABLE @.silent (
	recipient    text    PRIMARY KEY,
	tenant       text    NOT NULL,
	suppressed   boolean NOT NULL DEFAULT false,
	unsubscribed boolean NOT NULL DEFAULT false
);
-- Whose mail somebody does not want.
CREATE TABLE @.blocked (recipient text NOT NULL, organizer text NOT NULL, PRIMARY KEY (recipient, organizer));
-- An event of each organizer, by which their address is found.
CREATE TABLE @.organizer (id text PRIMARY KEY, uid text NOT NULL DEFAULT '', suspended boolean NOT NULL DEFAULT false);
-- Tables of people that wait until somebody lets them go on.
CREATE TABLE @.paused (bulk text PRIMARY KEY);
-- Mails to attendees handed over per day, in UTC.
CREATE TABLE @.day (day date PRIMARY KEY, mails bigint NOT NULL);

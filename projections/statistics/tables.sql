-- Counters: one row per scope, subject and value, so that reading an event costs the same whatever its size, and
-- moving one answer touches a fixed number of rows.
CREATE TABLE @.counter (
	tenant  text   NOT NULL,
	scope   text   NOT NULL, -- event, organizer, system
	subject text   NOT NULL, -- UID, organizer id, empty
	facet   text   NOT NULL, -- attendees, events, rsvp, origin, prodid
	value   text   NOT NULL, -- a status, an origin, a PRODID; empty for totals
	n       bigint NOT NULL,
	PRIMARY KEY (tenant, scope, subject, facet, value)
);

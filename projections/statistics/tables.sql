-- Counters: one row per scope, subject and value, so that reading an event costs the same whatever its size, and
-- moving one answer touches a fixed number of rows.
CREATE TABLE @.counter (
	tenant  text   NOT NULL,
	scope   text   NOT NULL, -- event, instance, organizer, system
	subject text   NOT NULL, -- UID, UID/instance, organizer id, empty
	facet   text   NOT NULL, -- attendees, events, rsvp, origin, prodid, denied
	value   text   NOT NULL, -- a status, an origin, a PRODID, a reason; empty for totals
	n       bigint NOT NULL, -- of an instance: by how much it differs from its series
	PRIMARY KEY (tenant, scope, subject, facet, value)
);

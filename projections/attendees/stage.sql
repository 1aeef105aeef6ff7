-- What becomes of rows while a generation is filled: see stage.go. n is the position of the fact that says so.
CREATE TABLE @.attendee_op (
	n         bigint NOT NULL,
	op        text   NOT NULL, -- made, answered, bounced, gone
	tenant    text   NOT NULL,
	event_uid text   COLLATE "C" NOT NULL, -- sorts faster
	person_id text   COLLATE "C" NOT NULL,
	status    text   NOT NULL,
	origin    text   NOT NULL,
	prodid    text   NOT NULL,
	changed   timestamptz,
	stale     boolean NOT NULL,
	answered  timestamptz
);
CREATE TABLE @.person_op (
	n       bigint NOT NULL,
	tenant  text   NOT NULL,
	id      text   COLLATE "C" NOT NULL,
	address text   NOT NULL,
	name    text   NOT NULL
);

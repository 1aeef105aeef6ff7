-- How far each endpoint was told. The log says so, too, now and then: without this table some are told some things twice.
CREATE TABLE @.cursor (
	webhook_id text   PRIMARY KEY,
	position   bigint NOT NULL
);
-- What became of deliveries, for people who look into trouble.
CREATE TABLE @.attempt (
	tenant     text        NOT NULL,
	webhook_id text        NOT NULL,
	number     bigserial   NOT NULL,
	message_id text        NOT NULL,
	type       text        NOT NULL,
	position   bigint      NOT NULL,
	tries      int         NOT NULL, -- of this message, this one included; 0: asked for by hand
	at         timestamptz NOT NULL,
	status     int         NOT NULL, -- of HTTP; 0: there was no answer
	error      text        NOT NULL,
	took       int         NOT NULL, -- milliseconds
	PRIMARY KEY (webhook_id, number)
);

-- Rows of attendee from what happened to them.
INSERT INTO @.attendee (tenant, event_uid, person_id, status, origin, prodid, position, changed, stale, bounced, answered)
WITH gone AS (
	SELECT event_uid, person_id, max(n) AS n FROM @.attendee_op WHERE op = 'gone' GROUP BY event_uid, person_id),
bounced AS (
	SELECT event_uid, person_id, max(n) AS n FROM @.attendee_op WHERE op = 'bounced' GROUP BY event_uid, person_id),
answered AS (
	SELECT DISTINCT ON (event_uid, person_id) * FROM @.attendee_op WHERE op = 'answered' ORDER BY event_uid, person_id, n DESC)
SELECT m.tenant, m.event_uid, m.person_id, coalesce(a.status, m.status), m.origin, coalesce(a.prodid, m.prodid), m.n,
	coalesce(a.changed, m.changed), coalesce(a.stale, m.stale), b.n IS NOT NULL, coalesce(a.answered, m.answered)
FROM @.attendee_op AS m
LEFT JOIN gone AS g ON g.event_uid = m.event_uid AND g.person_id = m.person_id
LEFT JOIN bounced AS b ON b.event_uid = m.event_uid AND b.person_id = m.person_id AND b.n > m.n
LEFT JOIN answered AS a ON a.event_uid = m.event_uid AND a.person_id = m.person_id AND a.n > m.n
WHERE m.op = 'made' AND m.n > coalesce(g.n, -1)

-- Rows of person: the address that was said last, and the last name that was.
INSERT INTO @.person (tenant, id, address, name)
WITH named AS (
	SELECT DISTINCT ON (id) id, name FROM @.person_op
	WHERE name <> '' AND id IN (SELECT id FROM @.person_op WHERE name = '') ORDER BY id, n DESC)
SELECT DISTINCT ON (p.id) p.tenant, p.id, p.address, coalesce(nullif(p.name, ''), named.name, '')
FROM @.person_op AS p LEFT JOIN named ON named.id = p.id
WHERE NOT EXISTS (SELECT FROM @.erased AS e WHERE e.id = p.id) ORDER BY p.id, p.n DESC

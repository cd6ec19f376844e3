INSERT INTO {schema}.journal_action (id, episode, at, body)
SELECT id, episode, at, body::json
FROM unnest(%(ids)s::text[], %(episodes)s::text[], %(ats)s::float8[], %(bodies)s::text[])
     WITH ORDINALITY AS given (id, episode, at, body, place)
ORDER BY place
ON CONFLICT (id) DO UPDATE SET episode = excluded.episode, at = excluded.at, body = excluded.body

-- Rows are locked in the order of names, so that two writers never wait for each other.
WITH batch AS MATERIALIZED (SELECT nextval('{schema}.journal_batch') AS start)
INSERT INTO {schema}.journal_episode (episode, touched, ending)
SELECT given.episode, batch.start + given.place, given.ending::json
FROM batch, unnest(%(episodes)s::text[], %(endings)s::text[]) WITH ORDINALITY AS given (episode, ending, place)
ORDER BY given.episode
ON CONFLICT (episode) DO UPDATE
SET touched = excluded.touched, ending = coalesce(excluded.ending, journal_episode.ending)

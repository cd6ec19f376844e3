INSERT INTO journal_episode (episode, touched, ending)
VALUES (:episode, (SELECT coalesce(max(touched), 0) + 1 FROM journal_episode), :ending)
ON CONFLICT (episode) DO UPDATE SET touched = excluded.touched, ending = coalesce(excluded.ending, ending)

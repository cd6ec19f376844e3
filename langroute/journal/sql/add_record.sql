INSERT INTO journal_record (id, episode, at, body) VALUES (:id, :episode, :at, :body)
ON CONFLICT (id) DO UPDATE SET episode = excluded.episode, at = excluded.at, body = excluded.body

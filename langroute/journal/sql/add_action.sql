INSERT INTO journal_action (id, episode, at, body) VALUES (:id, :episode, :at, :body)
ON CONFLICT (id) DO UPDATE SET episode = excluded.episode, at = excluded.at, body = excluded.body

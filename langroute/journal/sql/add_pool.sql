INSERT INTO journal_pool (id, body) VALUES (:id, :body) ON CONFLICT (id) DO NOTHING

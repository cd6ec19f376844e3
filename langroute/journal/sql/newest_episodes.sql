SELECT episode FROM journal_episode ORDER BY touched DESC LIMIT :limit

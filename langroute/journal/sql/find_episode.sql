SELECT ending FROM journal_episode WHERE episode = :episode

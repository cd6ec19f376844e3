-- The plus sign keeps the planner on the index of names: prefixes are selective, the order of opening is not.
SELECT name FROM ledger_scope
WHERE name >= :prefix AND (:beyond IS NULL OR name < :beyond)
ORDER BY +seq DESC
LIMIT :limit

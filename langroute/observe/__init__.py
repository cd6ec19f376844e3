"""Making decisions visible: the structured log and the report on an episode."""

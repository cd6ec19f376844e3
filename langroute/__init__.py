"""Per-step model routing for LangGraph and LangChain agents, under budgets that cannot be overspent."""

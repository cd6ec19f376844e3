"""The doors: how a LangChain or LangGraph program reaches the router."""

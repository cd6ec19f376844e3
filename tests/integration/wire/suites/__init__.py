"""LangChain's standard suites per wire format; `test_standard_suites.py` runs them and compares what passed."""

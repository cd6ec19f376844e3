"""Traces of other programs, read as model calls."""

"""Judging an answer before it is passed on: one rule a file."""

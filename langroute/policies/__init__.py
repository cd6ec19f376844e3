"""The rules that choose an arm: one rule a file."""

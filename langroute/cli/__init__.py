"""The command line: one command a file; each parses, calls the library and prints."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import sys


def main() -> None:
    """Run the command line on the arguments of the process; ends it with 0, or with 2 on a user's error."""
    from langroute.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A pipe may not be able to hold every letter of a node's name; that must not end in a traceback.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="langroute")

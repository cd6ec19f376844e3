"""Makes the copy of a call that is sent fit for the arm that was chosen; the conversation itself is never touched."""

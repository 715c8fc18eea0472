"""Types, settings, errors, ids and the clock. Imports nothing of ours outside this room."""

"""The document's walk, one file a stage: scan ─▶ fetch ─▶ parse ─▶ chunk ─▶ embed ─▶ publish."""

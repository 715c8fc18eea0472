"""Google Drive: shared drives, folders and what a user owns."""

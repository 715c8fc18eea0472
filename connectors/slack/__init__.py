"""A Slack workspace: each thread a document, and what was said outside threads by the day."""

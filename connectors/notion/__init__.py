"""Notion: pages, databases and their rows, as Markdown."""

"""Offline: sources are scanned; documents are fetched, parsed, chunked, embedded and published."""

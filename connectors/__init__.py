"""Connectors: one file a source, one protocol. They read a source; they write nothing."""

GROUP = "vouch.connectors"
"""The entry points by which kinds come in, built-in ones too."""

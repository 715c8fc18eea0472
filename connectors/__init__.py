"""Connectors: one file a source, one protocol. They read a source; they write nothing."""

"""Connectors: one protocol, and a package a kind of source. They read a source; they write nothing.

A package has its class in ``connector`` and its configuration in ``config``; what several kinds need lies beside the
packages, and what only those with repositories need in :mod:`connectors.forge`.
"""

GROUP = "vouch.connectors"
"""The entry points by which kinds come in, built-in ones too."""

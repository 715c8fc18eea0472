"""Vouch: the retrieval platform that organisations trust with their own documents."""

__version__ = "0.1.0"

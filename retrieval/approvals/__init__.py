"""Answers that a person approves before their asker reads them: the queue, and what a reviewer decides."""

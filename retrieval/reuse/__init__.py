"""Answers that are given again: what was written for the same asker, from the same passages, to the same question."""

"""Jira Cloud: issues with their comments."""

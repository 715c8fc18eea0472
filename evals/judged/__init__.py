"""Answers judged: what a question's answer says, what carries it, and what that is worth."""

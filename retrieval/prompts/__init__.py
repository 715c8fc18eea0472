"""Prompts by version, under a lock. A file here never changes once it is released: what differs is a new version.

``lock.json`` holds the SHA-256 of each (`retrieval/prompts/lock.py`); what a prompt takes and what its model's reply is
read as stands in `retrieval/prompts/kinds.py`.
"""

from __future__ import annotations

from retrieval.prompts.kinds import KINDS, AnswerPrompt, JudgePrompt, render, require, template
from retrieval.prompts.lock import digest, prompt, require_lock

ANSWER = "answer.v2"
"""What answers are written by where a profile says nothing else."""
REPAIR = "repair.v1"
"""What claims that were refused are written again by."""
JUDGE = "judge.v1"
"""What a chat model is asked by whether claims follow from their quotes."""

__all__ = [
    "ANSWER",
    "JUDGE",
    "KINDS",
    "REPAIR",
    "AnswerPrompt",
    "JudgePrompt",
    "digest",
    "prompt",
    "render",
    "require",
    "require_lock",
    "template",
]

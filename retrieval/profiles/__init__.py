"""How an answer is made, by a name; which of these serves whom; and what one that nobody is shown would have come to.

file of profiles ─▶ release (stable, canary, shadow) ─▶ chosen for a question ─▶ made_by, on the answer
                                                                             └─▶ shadow, beside it ─▶ comparison
"""

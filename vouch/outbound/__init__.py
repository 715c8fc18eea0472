"""The one door through which every address that a user can set is reached.

name ─▶ strict reading (:mod:`.url`) ─▶ resolve ─▶ judge every address (:mod:`.addresses`) ─▶ connect to that very
address (:mod:`.connect`) ─▶ bounded answer (:mod:`.door`); a redirect goes through all of it again.

What does not speak HTTP goes the same way and gets an encrypted connection (:mod:`.stream`) or, where a library speaks
for it, the connected socket (:mod:`.sockets`).
"""

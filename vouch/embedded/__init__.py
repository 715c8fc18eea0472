"""The servers and processes that run beside us when nothing else is given, and the supervisor that keeps them.

Linux only: it rests on ``flock``, ``/proc`` and ``PR_SET_PDEATHSIG``.
"""

"""Webhooks: programs outside are told when a job ends, when documents are quarantined and when they age.

what happens ─▶ rows in the same transaction (:mod:`.events`, :mod:`.ages`) ─▶ claimed, one per webhook (:mod:`.queue`)
─▶ signed (:mod:`.signing`) ─▶ through the one door (:mod:`.deliver`) ─▶ delivered | again later | dead
"""

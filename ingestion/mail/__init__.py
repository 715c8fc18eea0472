"""Mail to people: their reports, and the question whether an address is theirs.

due (:mod:`.schedule`) ─▶ row (:mod:`.deliveries`) ─▶ who and where, today (:mod:`.recipients`) ─▶ connect
(:mod:`.server`) ─▶ write (:mod:`.letters`) ─▶ note that it is handed over ─▶ hand over ─▶ sent
"""

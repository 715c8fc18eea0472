"""Index generations: another recipe's index is built beside the one that is asked, compared, and swapped in.

recipe ─▶ create ─▶ fill, by and by (cut and embed what is missing ─▶ write) ─▶ compact ─▶ verify ─▶ ready
"""

"""The one door through which every address that a user can set is reached.

name ─▶ strict reading (:mod:`.url`) ─▶ resolve ─▶ judge every address (:mod:`.addresses`) ─▶ connect to that very
address (:mod:`.connect`) ─▶ bounded answer (:mod:`.door`); a redirect goes through all of it again. A library that
speaks another protocol than HTTP is handed the connected socket (:mod:`.sockets`).
"""

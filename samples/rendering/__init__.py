"""How the sample company's sources become the files that a company would have: PDF, DOCX, PPTX and XLSX.

One file per kind, each with ``render(source) -> bytes``. The same source gives the same bytes on every machine:
dates come from the source, identifiers are fixed, and nothing is compressed, since two builds of zlib may
pack the same bytes differently.
"""

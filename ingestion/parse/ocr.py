"""Pages that are pictures: read by an OCR engine, where one is installed (``pip install rapidocr``).

RapidOCR brings its models in its wheel and runs on OpenVINO, which embeds already, so nothing is fetched and no system
package is needed. What it is unsure of is left out: a wrong figure would be quoted as if it stood there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse import partition
from ingestion.parse.pdf_page import Line, PageText

MISSING = "the document's pages are pictures, and no OCR engine is installed (pip install rapidocr)"
_DPI = 200
_MAX_SIDE = 4_000
"""Pixels of a page's longer side; a poster is read more coarsely."""
_SURE = 0.6
_LETTER = 0.7
"""Height of the letters, where the box around a line has 1."""
_SAME = 0.18
_SETTINGS = {
    "Global.log_level": "critical",
    "Global.use_cls": False,  # pages lie as their rotation says
    "EngineConfig.openvino.inference_num_threads": 1,
    "Det.limit_type": "max",
    "Det.limit_side_len": 1280,
    "Rec.rec_batch_num": 1,
}


def is_installed() -> bool:
    return find_spec("rapidocr") is not None


def read_pages(document: pypdfium2.PdfDocument, pages: Iterable[int]) -> Iterator[PageText]:
    """Those of ``pages``, from 0, that hold pictures, with the lines that were read in them."""
    for index in pages:
        page = document[index]
        try:
            if next(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3), None) is not None:
                yield PageText(index + 1, tuple(_evened(list(_lines(page)))), page.get_height(), 0)
        finally:
            page.close()


def _lines(page: pypdfium2.PdfPage) -> Iterator[Line]:
    width, height = page.get_size()
    scale = min(_DPI / 72, _MAX_SIDE / max(width, height, 1))
    bitmap = page.render(scale=scale, grayscale=False, rev_byteorder=True)
    try:
        found = _engine()(np.ascontiguousarray(bitmap.to_numpy()[:, :, :3]))
    finally:
        bitmap.close()
    rows = zip(found.txts or (), found.boxes if found.boxes is not None else (), found.scores or (), strict=True)
    for text, box, score in rows:
        if score >= _SURE and (said := re.sub(r"\s+", " ", text).strip()):
            yield _line(said, np.asarray(box) / scale, height)


def _evened(lines: list[Line]) -> Iterator[Line]:
    """A box is higher where letters reach up or down: lines of nearly the body's size are of it."""
    body = median(line.size for line in lines for _ in line.text) if lines else 0.0
    for line in lines:
        yield replace(line, size=body) if abs(line.size - body) < _SAME * body else line


def _line(text: str, box: np.ndarray[Any, np.dtype[np.float64]], height: float) -> Line:
    """``box``: corners from the upper left on, clockwise, from the page's top; it may be a little turned."""
    left, right = box.min(axis=0)[0], box.max(axis=0)[0]
    tall = float(np.linalg.norm(box[3] - box[0]) + np.linalg.norm(box[2] - box[1])) / 2
    middle = height - float(box[:, 1].mean())
    base, top = middle - tall / 2, middle + tall / 2
    return Line(text, round(tall * _LETTER, 1), False, float(left), float(right), base, top, base)


@cache
def _engine() -> Any:
    """Raises ImportError. What it weighs, and takes at its first page, is a library's, not a document's."""
    with partition.making_ready():
        rapidocr = import_module("rapidocr")
        on = rapidocr.EngineType.OPENVINO
        engine = rapidocr.RapidOCR(
            params={**_SETTINGS, **{f"{part}.engine_type": on for part in ("Det", "Cls", "Rec")}}
        )
        blank = np.full((1280, 905, 3), 255, np.uint8)
        blank[100:130, 100:800:3] = 0
        engine(blank)
    return engine

"""A chunk's text with where it stands: what is embedded and searched, while the chunk alone is what is shown.

Which context a chunk is embedded in is part of an index generation's recipe. One that is here stays as it is as long as
an index may have been built by it; a better one gets a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vouch.core.errors import BadConfig
from vouch.core.ids import sha256

Context = Callable[[str, Sequence[str], str], str]
"""Title, heading path and text of a chunk → what is embedded."""

_PREFIX_CHARACTERS = 160


def in_context(title: str, heading_path: Sequence[str], text: str) -> str:
    """Title and headings, cut short where long, a line break, then the chunk's text.

    A heading that the text itself begins with is not said twice.
    """
    steps = [step for step in dict.fromkeys((title, *heading_path)) if step and not text.startswith(step)]
    while len(steps) > 2 and sum(map(len, steps)) > _PREFIX_CHARACTERS:
        del steps[1]  # the outer headings say least: the title and the nearest heading stay
    prefix = " › ".join(step[: _PREFIX_CHARACTERS // 2] for step in steps)
    return f"{prefix}\n{text}" if prefix else text


def alone(title: str, heading_path: Sequence[str], text: str) -> str:
    """The chunk's text and nothing else: for documents whose titles and headings say nothing of what is in them."""
    return text


CONTEXT = "title-path.v1"
"""The context of new generations, unless another is asked for."""
KEPT = "title-path.v1"
"""The one whose hash stands with each chunk (``chunk.text_hash``); that of any other is made where it is needed."""
CONTEXTS: Mapping[str, Context] = {"title-path.v1": in_context, "text.v1": alone}


def context_named(name: str) -> Context:
    """Raises :class:`BadConfig` for one that this version of Vouch does not have."""
    if name not in CONTEXTS:
        raise BadConfig(f"there is no context {name!r}; there are {', '.join(CONTEXTS)}", field="context")
    return CONTEXTS[name]


def context_hash(context: str, embedded: str, kept: str) -> str:
    """What keys the vector of ``embedded``, a chunk's text in ``context``, whose kept hash is ``kept``."""
    return kept if context == KEPT else sha256(embedded.encode())


def lexical_context(title: str, heading_path: Sequence[str], text: str) -> str:
    """What the lexical index reads of a chunk: its title twice, its headings, its text, nothing cut.

    Saying the title twice is what a weighted title field does elsewhere. Measured against :func:`in_context`
    it adds .02 nDCG@10 on the handbook's link queries and .006 on SciFact (`docs/measurements.md`).
    """
    return "\n".join((title, *dict.fromkeys((title, *heading_path)), text))

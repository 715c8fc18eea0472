"""How a store that speaks HTTP is asked: through the door, again when it asks for patience, never along a redirect.

A redirect could lead to another store, or to a page that asks for a login and would be taken for a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from connectors.pace import MOST_WAIT_S, PACE, retry_after
from vouch.core.errors import BadConfig, DocumentRejected, OutboundRefused, PayloadTooLarge, Unavailable
from vouch.outbound.addresses import ENDS_IN_NUMBER
from vouch.outbound.connect import Ways
from vouch.outbound.door import Answer, Bounds, Outbound
from vouch.outbound.url import Url, parse_url

LISTING_BYTES = 32 << 20
"""Of one page, or one folder, of a listing."""
_NOT_NOW = frozenset({408, 429, 500, 502, 503, 504})
_PAUSES_S = (0.5, 1.0, 2.0)
"""Between tries, where the store does not say how long to wait."""
_BYTES_A_SECOND = 512 << 10
_MOST_SECONDS = 200.0
"""Below the time after which a worker's task ends."""


def asked(
    outbound: Outbound, url: Url, headers: Mapping[str, str], max_bytes: int, request: tuple[str, bytes] = ("GET", b"")
) -> Answer:
    """The answer, of whatever status but those that mean "not now".

    Raises :class:`Unavailable` for those, after some tries (``retry_after_s``, where the store says),
    :class:`DocumentRejected` (``too_large``) for a body past ``max_bytes``, and :class:`OutboundRefused`.
    """
    method, content = request
    bounds = Bounds(max_bytes, min(_MOST_SECONDS, 30.0 + max_bytes / _BYTES_A_SECOND), redirects=0)
    host = url.authority
    for pause in (*_PAUSES_S, None):
        PACE.require_awake(host)
        PACE.wait(host, 0.0)
        try:
            answer = outbound.request(method, url, headers=headers, content=content, bounds=bounds)
        except PayloadTooLarge as error:
            raise DocumentRejected(error.detail, reason="too_large") from error
        if answer.status not in _NOT_NOW:
            return answer
        said = retry_after(answer)
        if said is not None and said > MOST_WAIT_S:
            PACE.rest(host, said)
            raise Unavailable(f"{host} asks for a pause of {said:.0f} s.", retry_after_s=said)
        if pause is not None:
            PACE.hold(host, pause if said is None else said)
    raise Unavailable(f"{host} answers with status {answer.status}.")


def address(text: str, field: str, ways: Ways) -> Url:
    """An address of the configuration. Raises :class:`BadConfig` for one that is none, that has a query, or that is an
    address which may not be reached; a name is judged when it is resolved, each time."""
    try:
        url = parse_url(text)
        if "?" in url.target:
            raise OutboundRefused("The address of a store has no query.")
        if ":" in url.host or ENDS_IN_NUMBER.fullmatch(url.host):
            ways.open_to(url.host, url.port)
    except OutboundRefused as error:
        raise BadConfig(f"{field}: {error.detail}", field=field) from error
    return url


def xml(data: bytes, host: str) -> Any:
    """The root of an answer in XML, without entities of its own. Raises :class:`Unavailable` for one that is none, as
    half of one is."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Unavailable(f"{host} gives a listing that cannot be read to its end.") from error
    if root is None or root.getroottree().docinfo.doctype:
        raise Unavailable(f"{host} gives a listing that cannot be read.")
    return root


def inner(element: Any, *names: str) -> list[Any]:
    """The elements at a path of local names: what speaks a protocol does not always speak its namespace."""
    found = [element]
    for name in names:
        found = [child for one in found for child in one if local_name(child) == name]
    return found


def local_name(element: Any) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def text_of(element: Any, *names: str) -> str | None:
    """The text at a path of local names; None where nothing is there."""
    found = inner(element, *names)
    return (found[0].text or "") if found else None

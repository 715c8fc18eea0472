"""How the supervisor asks a part whether it is ready. Each answers within about a second and never raises."""

from __future__ import annotations

import http.client
import socket

import psycopg

from vouch.core.errors import Unavailable
from vouch.core.settings import Settings
from vouch.embedded.addresses import http_host


def accepts(path: str) -> bool:
    """Someone listens on the Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(path) == 0


def answers(settings: Settings) -> bool:
    """``GET /readyz`` says 200."""
    connection = http.client.HTTPConnection(http_host(settings), settings.port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Heartbeat:
    """A part is ready when it wrote a heartbeat after it was started, by the database's own clock.

    The row's ``part`` is the part's name, or that and a worker's own name behind a colon (``worker:laptop``).
    """

    def __init__(self, part: str, database_url: str) -> None:
        self._part = part
        self._url = database_url
        self._since: object = None

    def note_start(self) -> None:
        """Raises :class:`Unavailable` when the catalog is away: the part could do nothing without it."""
        try:
            with psycopg.connect(self._url, connect_timeout=2) as connection:
                self._since = _first(connection.execute("SELECT now()"))
        except psycopg.OperationalError as error:
            raise Unavailable("The catalog cannot be reached.") from error

    def fresh(self) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM heartbeat WHERE split_part(part, ':', 1) = %s AND at >= %s)"
        try:
            with psycopg.connect(self._url, connect_timeout=2) as connection:
                return bool(_first(connection.execute(query, (self._part, self._since))))
        except psycopg.Error:  # away, or not migrated yet
            return False


def _first(cursor: psycopg.Cursor[tuple[object, ...]]) -> object:
    row = cursor.fetchone()
    return None if row is None else row[0]

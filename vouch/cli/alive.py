"""`python -m vouch.cli.alive worker|scheduler`: exit status 0 while that part does its work. For health checks.

A worker proves it by answering the scheduler's canary, so one that hangs counts as dead. The heartbeat is of all
workers together: it says that work is done, not which container does it.
"""

from __future__ import annotations

import sys

import psycopg

from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url

WITHIN_S = 90
_QUERY = """
    SELECT EXISTS (
        SELECT 1 FROM heartbeat WHERE split_part(part, ':', 1) = %s AND at > now() - make_interval(secs => %s))
"""


def main(part: str) -> int:
    """The exit status."""
    try:
        with psycopg.connect(database_url(Settings()), connect_timeout=3) as connection:
            row = connection.execute(_QUERY, (part, WITHIN_S)).fetchone()
    except psycopg.Error as error:
        print(f"the catalog cannot be asked: {error}", file=sys.stderr)
        return 1
    return 0 if row is not None and row[0] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Which platform a command speaks to (:mod:`vouch.client.reach`), and whom it acts for."""

from __future__ import annotations

from typing import Annotated

import typer

from vouch.client.reach import connect as connect
from vouch.client.reach import connect_here as connect_here
from vouch.client.reach import running_url as running_url
from vouch.client.reach import user_name as user_name

AsUser = Annotated[str | None, typer.Option("--as", metavar="USER", help="Act for this user: `alice`, `user:alice`.")]

"""Running Vouch: the whole platform, or one of its services.

The process that supervises stays small: what needs the catalog or a model runs in a child.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vouch.core.errors import StartFailed

if TYPE_CHECKING:
    from vouch.core.settings import Settings

STOP_S = 2
"""Seconds that requests in hand are given when the server stops; event streams are ended."""


def prepare_in_child(settings: Settings) -> None:
    """Migrate, prepare the model, make the first key: ``first_start`` in a process of its own.

    Its progress goes to standard error as it comes. Raises :class:`StartFailed` when it fails; it has said why.
    """
    from vouch.embedded.platform import environment

    # -P: a module of that name in the folder where `vouch up` is typed is not ours.
    command = [sys.executable, "-P", "-m", "vouch.cli.first_start"]
    with subprocess.Popen(command, env=environment(settings), stdin=subprocess.DEVNULL, stdout=sys.stderr) as child:
        try:
            status = child.wait()
        except BaseException:
            child.kill()  # a signal ends the preparation; it is taken up again at the next start
            raise
    if status != 0:
        raise StartFailed("The platform could not be prepared; the reason is above.")


def read_settings() -> Settings:
    """The settings of the environment. Raises pydantic's ``ValidationError``."""
    from vouch.core.settings import Settings

    return Settings()


def up() -> None:
    """Run the whole platform until Ctrl-C."""
    from vouch.embedded import platform

    platform.up(read_settings(), prepare=prepare_in_child, on_ready=_say_ready)


def _say_ready(settings: Settings) -> None:
    from vouch.embedded.addresses import http_url

    print(f"ready {http_url(settings)}", flush=True)
    print(f"administrator key: {settings.data_dir / 'admin.key'}", file=sys.stderr, flush=True)


def serve(
    which: Annotated[Literal["all", "retrieval", "ingestion"], typer.Argument(help="Which service.")] = "all",
) -> None:
    """Serve HTTP: one service, or both on one origin."""
    import uvicorn

    from vouch.cli.application import create_application
    from vouch.serving.logs import configure_logging

    settings = read_settings()
    configure_logging(settings)
    uvicorn.run(
        create_application(settings, which),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )


def work() -> None:
    """Run a worker: it does the stages of ingestion."""
    _become("ingestion.worker")


def schedule() -> None:
    """Run the scheduler: it starts syncs that are due and rings again for work that was lost."""
    _become("ingestion.scheduler")


def _become(module: str) -> None:
    """Celery rests on being the process that signals reach, so it takes this one over."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", module])  # noqa: S606 - no shell, our own interpreter


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (up, serve, work, schedule):
        app.command()(command)

"""Running Vouch: the whole platform, or one of its services.

The process that supervises stays small: what needs the catalog or a model runs in a child.
"""

from __future__ import annotations

import os
import subprocess
import sys
from json import dumps
from typing import Annotated, Literal, NoReturn

import typer

from vouch.cli.output import AsJson
from vouch.core import startup
from vouch.core.errors import StartFailed
from vouch.core.settings import Settings
from vouch.embedded.folder import ADMIN_KEY

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


def up(json: AsJson = False) -> None:
    """Run the whole platform until Ctrl-C."""
    from vouch.embedded import platform
    from vouch.embedded.addresses import http_url

    def on_ready(settings: Settings) -> None:
        key = settings.data_dir / ADMIN_KEY
        _started({"ready": http_url(settings), "admin_key": str(key)}, json)
        if not json:
            print(f"administrator key: {key}", flush=True)

    settings = Settings()
    _check_mail(settings)
    platform.up(settings, prepare=prepare_in_child, on_ready=on_ready)


def _check_mail(settings: Settings) -> None:
    """A mistake in how mail is sent shows at the start, and not on the day that it is due."""
    from ingestion.mail.server import Mailer

    Mailer.of(settings)


def _started(what: dict[str, str | int], json: bool) -> None:
    """One line, so that what waits for it can read it."""
    name, value = next(iter(what.items()))
    print(dumps(what) if json else f"{name} {value}", flush=True)


def serve(
    which: Annotated[Literal["all", "retrieval", "ingestion"], typer.Argument(help="Which service.")] = "all",
    json: AsJson = False,
) -> None:
    """Serve HTTP: one service, or both on one origin."""
    startup.loading()
    import uvicorn

    from vouch.cli.application import create_application
    from vouch.serving.logs import configure_logging

    settings = Settings()
    configure_logging(settings)
    application = create_application(settings, which)
    startup.loaded()
    _started({"serving": which, "host": settings.host, "port": settings.port, "pid": os.getpid()}, json)
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )


def work(json: AsJson = False) -> None:
    """Run a worker: it does the stages of ingestion."""
    _check_mail(Settings())
    _started({"working": "ingestion", "pid": os.getpid()}, json)
    become("ingestion.worker")


def schedule(json: AsJson = False) -> None:
    """Run the scheduler: it starts syncs that are due and rings again for work that was lost."""
    _check_mail(Settings())
    _started({"scheduling": "ingestion", "pid": os.getpid()}, json)
    become("ingestion.scheduler")


def become(module: str, *arguments: str) -> NoReturn:
    """Turn into ``python -m module``, so that signals and the exit status are its own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606 - no shell, our own interpreter


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (up, serve, work, schedule):
        app.command()(command)

"""One log format for every process: time, level, room, message."""

from __future__ import annotations

import logging

from vouch.core.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Log to standard error, at the settings' level; libraries that chatter are held at warning."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", force=True
    )
    for noisy in ("httpx", "httpcore", "openai", "celery.app.trace", "celery.worker.strategy", "pdfminer", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))

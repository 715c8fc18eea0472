"""The guards' evaluations: which there are, by the name of their set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evals import privacy
from evals.privacy import PrivacyReport

GuardReport = PrivacyReport
GUARDS: dict[str, Callable[[Path], GuardReport]] = {"pii": privacy.run}

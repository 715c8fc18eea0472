"""The guards' evaluations: which there are, by the name of their set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evals import injection, privacy
from evals.injection import InjectionReport
from evals.privacy import PrivacyReport

GuardReport = PrivacyReport | InjectionReport
GUARDS: dict[str, Callable[[Path], GuardReport]] = {"pii": privacy.run, "injection": injection.run}

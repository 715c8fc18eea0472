"""The guards' evaluations: which there are, by the name of their set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evals import failing, injection, privacy, quoted
from evals.failing import FailingReport
from evals.injection import InjectionReport
from evals.privacy import PrivacyReport
from evals.quoted import QuoteReport

GuardReport = PrivacyReport | InjectionReport | QuoteReport | FailingReport
GUARDS: dict[str, Callable[[Path], GuardReport]] = {
    "pii": privacy.run,
    "injection": injection.run,
    "quotes": quoted.run,
    "failing": failing.run,
}
SERVED = ("quotes", "failing")
"""Those that start a platform of their own."""

"""Words and signs that make a figure of a number: units, each brought to one of its kind, currencies, months."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

Unit = tuple[str, str, Decimal]
"""Dimension, the unit that it is counted in, how many of those it is. Of one dimension and unit figures compare."""


def _units() -> Iterator[tuple[str, Unit]]:
    told = {
        "time": {
            "s": "1 second seconds sec secs sekunde sekunden seconde secondes segundo segundos",
            "min": "60 minute minutes mins minuten minuto minutos",
            "h": "3600 hour hours hr hrs stunde stunden heure heures hora horas",
            "d": "86400 day days tag tage tagen jour jours día días",
            "w": "604800 week weeks woche wochen semaine semaines semana semanas",
        },
        "calendar": {
            "month": "1 months monat monate monaten mois mes meses",
            "year": "12 years yr yrs jahr jahre jahren année années ans año años",
        },
        "length": {"mm": "0.001 millimetres", "cm": "0.01 centimetres", "m": "1 metre metres meter meters",
                   "km": "1000 kilometre kilometres kilometer kilometers", "mile": "1609.344 miles",
                   "ft": "0.3048 foot feet"},
        "mass": {"mg": "0.001 milligrams", "g": "1 gram grams gramm", "kg": "1000 kilogram kilograms kilogramm",
                 "t": "1000000 tonne tonnes"},
        "bytes": {"kb": "1000", "mb": "1000000", "gb": "1000000000", "tb": "1000000000000", "kib": "1024",
                  "mib": "1048576", "gib": "1073741824", "tib": "1099511627776"},
        "celsius": {"°c": "1"},
        "fahrenheit": {"°f": "1"},
        "power": {"w": "1 watt watts", "kw": "1000", "mw": "1000000"},
        "energy": {"kwh": "1", "mwh": "1000"},
    }  # fmt: skip
    for dimension, units in told.items():
        for name, line in units.items():
            factor, *others = line.split()
            for written in (name, *others):
                yield written, (dimension, dimension, Decimal(factor))


UNITS: Mapping[str, Unit] = dict(_units())
_MONEY = {
    "EUR": "€ euro euros", "USD": "$ us$ dollar dollars", "GBP": "£ pound pounds quid sterling", "JPY": "¥ yen",
    "CHF": "francs", "SEK": "", "NOK": "", "DKK": "", "PLN": "zł", "CZK": "", "CAD": "c$", "AUD": "a$",
    "INR": "₹ rupees", "CNY": "yuan rmb", "BRL": "r$",
}  # fmt: skip
CURRENCIES = frozenset(_MONEY)
MONEY: Mapping[str, Unit] = {
    written: ("money", code, Decimal(1)) for code, line in _MONEY.items() for written in (code.lower(), *line.split())
}
MAGNITUDES: Mapping[str, Decimal] = {
    "k": Decimal(10**3), "thousand": Decimal(10**3), "tausend": Decimal(10**3), "million": Decimal(10**6),
    "millions": Decimal(10**6), "mn": Decimal(10**6), "mio": Decimal(10**6), "millionen": Decimal(10**6),
    "billion": Decimal(10**9), "billions": Decimal(10**9), "bn": Decimal(10**9),
}  # fmt: skip
PERCENT = ("%", "percent", "per cent", "pct", "prozent", "pour cent", "por ciento")

_TENS = "thirty forty fifty sixty seventy eighty ninety"
_ONES = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
    " nineteen twenty"
)
WORDED: Mapping[str, int] = {
    **{word: n for n, word in enumerate(_ONES.split(), 2)},
    **{word: 10 * n for n, word in enumerate(_TENS.split(), 3)},
}
"""Not ``one``, which is a pronoun as often as a number."""

_MONTHS = (
    "january jan januar janvier enero", "february feb februar février febrero", "march mar märz mars marzo",
    "april apr avril abril", "may mai mayo", "june jun juni juin junio", "july jul juli juillet julio",
    "august aug août agosto", "september sept sep septembre septiembre", "october oct oktober okt octobre octubre",
    "november nov novembre noviembre", "december dec dezember dez décembre diciembre",
)  # fmt: skip
MONTHS: Mapping[str, int] = {name: n for n, line in enumerate(_MONTHS, 1) for name in line.split()}

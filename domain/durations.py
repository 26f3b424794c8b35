"""Lengths of time. Each name includes its unit, because both seconds and microseconds are counted here."""

from __future__ import annotations

SECOND_MICROS = 1_000_000
MINUTE_MICROS = 60 * SECOND_MICROS
HOUR_MICROS = 60 * MINUTE_MICROS
DAY_MICROS = 24 * HOUR_MICROS

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS

YEAR_DAYS = 365

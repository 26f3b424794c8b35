"""`python -m services.alerts`: an alert worker, by its former name."""

from __future__ import annotations

from services.alert_worker.__main__ import run
from services.runtime.processes import run_until_told

if __name__ == "__main__":
    raise SystemExit(run_until_told("alerts", run))

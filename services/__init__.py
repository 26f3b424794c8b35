"""What runs: the API, the writer, the projector, the command line, and the adapters to Kafka and Postgres."""

import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    # structlog loads rich wherever it is installed, for tracebacks that no process of ours prints: a tenth of a start.
    sys.modules["rich"] = None  # type: ignore[assignment]  # how Python is told that there is no such module
    import structlog  # noqa: F401  # this is its first import, and the only one that counts

    del sys.modules["rich"]

"""`python -m tests.atomic_bucket PORT`: moto's server, which answers one request at a time.

S3 judges a condition and writes in one step. moto takes two steps, and under load another of its threads wrote between them: two
of twenty that created the same object were told that they did.
"""

from __future__ import annotations

import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)

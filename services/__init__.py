"""What runs: the API, the writer, the projector, the command line, and the adapters to Kafka and Postgres."""

import signal
import sys

if (
    sys.argv
    and sys.argv[0].rpartition("/")[2] == "keytrail"
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    # The command line, before it can say anything: Ctrl-C ends it at once and without a traceback, from its very first
    # import of ours on. If a shell ignores Ctrl-C, it stays ignored. services/cli takes this over.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

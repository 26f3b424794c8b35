"""`make conformance-clients`: programs that others wrote for AWS, against a Keytrail that the runner starts.

Each client comes from its registry when it is asked for, at the version that `table.py` names, into `.clients/`; nothing
that was fetched is committed. A script of ours calls the client as its users do and prints a line a case, in the form of
the Test Anything Protocol: `ok - NAME` or `not ok - NAME: WHAT`. docs/conformance.md has the results and the reasons.
"""

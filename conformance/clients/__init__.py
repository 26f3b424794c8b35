"""`make conformance-clients`: programs that others wrote for AWS, run against a Keytrail that the runner starts.

Each client is fetched from its registry at the version in `table.py`, into `.clients/`, and never committed. A script
of this package calls the client as its users do. It prints one line a case, in the form of the Test Anything Protocol:
`ok - NAME` or `not ok - NAME: WHAT`. docs/conformance.md has the results and the reasons.
"""

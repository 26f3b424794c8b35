"""May this caller do this, and why: key policy, identity policies, boundary, session policy and grants."""

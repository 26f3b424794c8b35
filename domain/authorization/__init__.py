"""The one question, over key policy, identity policies, boundary, session policy and grants: may this caller, and why."""

"""Verification: every topic against its MACs, chains and anchors, and the projections against the topics."""

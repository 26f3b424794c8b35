"""Checks whether the log and the decisions are whole. Reads values and trusts nothing else."""

"""Are the log and the decisions whole? Reads values and trusts nothing else."""

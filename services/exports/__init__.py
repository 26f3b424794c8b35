"""Decisions and changes in formats that other programs read: CSV, Parquet, OCSF, CloudTrail, HTML."""

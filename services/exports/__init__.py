"""Decisions and changes in formats that others read: CSV, Parquet, OCSF, CloudTrail, HTML."""

"""Decisions in the forms that others read: a table (CSV, Parquet), OCSF, CloudTrail."""

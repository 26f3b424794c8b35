"""The command line `keytrail`, one file for each group of commands."""

"""`keytrail`: the command line, one file a group of commands."""

"""Names, changes and conditions in words, as people read them: on the command line and in reports."""

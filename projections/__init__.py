"""What can be asked: a folder for each read model (table.sql, project.py, queries.py). It imports `domain` and nothing else
of ours.

A projection is thrown away and rebuilt, never migrated; registry.py lists them all.
"""

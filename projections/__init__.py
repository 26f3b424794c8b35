"""The read models that answer questions, a folder for each (table.sql, project.py, queries.py). Of our own code, they import only
`domain`.

A projection is thrown away and rebuilt, never migrated. registry.py lists them all.
"""

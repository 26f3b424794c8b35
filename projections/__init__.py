"""What can be asked: one folder a read model (table.sql, project.py, queries.py). Imports domain alone, and asyncpg's types.

A projection is thrown away and rebuilt, never migrated; registry.py is the table of them all.
"""

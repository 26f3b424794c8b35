"""An upgrade from the version before: snapshots that are made beside its processes, and the level that is raised after it."""

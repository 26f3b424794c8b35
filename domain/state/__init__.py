"""Every aggregate after a position: the world, the fold that makes it from the log, and its documents."""

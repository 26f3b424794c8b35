"""Every aggregate after a position: the world with its indexes, the fold that makes it from the log, and its documents."""

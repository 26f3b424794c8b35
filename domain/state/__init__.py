"""Every aggregate as it is after a position: the world, its documents, and the fold that makes it of the log."""

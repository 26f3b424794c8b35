"""What happens between this version and the one before, whose real code runs here."""

"""The notary: makes every record a leaf of the transparency log, and publishes tiles and signed checkpoints."""

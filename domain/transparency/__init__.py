"""The transparency log: a Merkle tree over every record, its tiles and checkpoints, and proofs that a stranger can check."""

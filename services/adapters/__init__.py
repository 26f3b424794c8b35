"""The ports' real sides: Kafka, Postgres, the vault, and the bundled servers."""

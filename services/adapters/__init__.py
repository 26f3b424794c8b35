"""The real sides of the ports: Kafka, Postgres, the vault, files, tokens."""

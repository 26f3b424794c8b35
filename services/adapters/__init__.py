"""What stands behind the ports: Kafka, Postgres, the vault, files, tokens."""

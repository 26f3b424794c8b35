"""What runs: the API, the writer, the projector, the command line, and the adapters to Kafka and Postgres."""

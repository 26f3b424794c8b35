"""The bundled servers: Kafka's broker on a Java runtime from PyPI, and Postgres from PyPI."""

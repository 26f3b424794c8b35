"""The log: the record of one call, the chain that makes it one history, and the catalogue of event types."""

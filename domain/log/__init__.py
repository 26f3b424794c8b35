"""The log: the record of a call, the chain, MACs, the catalogue of event types, and the codec."""

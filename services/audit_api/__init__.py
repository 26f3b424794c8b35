"""The audit API under /v1: who may ask, how a request is read, and how its answer is sent."""

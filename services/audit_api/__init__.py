"""The audit API under /v1: what the projections answer, to those who may ask."""

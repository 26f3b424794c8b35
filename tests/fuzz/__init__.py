"""Inputs that no client would send, by the million, at every door that takes a stranger's bytes."""

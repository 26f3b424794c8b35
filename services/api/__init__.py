"""The door: HTTP, signatures, shapes, and the two ways that a call is answered."""

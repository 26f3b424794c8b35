"""The rules of the domain. Pure code without I/O, clock or chance; it imports the standard library and cryptography only."""

"""What is true. Pure code without I/O, clock or chance; it imports the standard library and cryptography only."""

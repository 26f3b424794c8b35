"""What is true: pure code without I/O, clock or chance. It imports the standard library and cryptography alone."""

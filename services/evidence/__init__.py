"""Evidence: records with proofs that a stranger can check offline, and the program that checks them."""

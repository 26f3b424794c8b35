"""What a key policy means: sets of requests, what sets two policies apart, and one request of each."""

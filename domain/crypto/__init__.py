"""What each key spec can do, given its material. The only randomness of the domain is here: nonces and new material."""

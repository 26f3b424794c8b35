"""What each key spec can do with its material. The domain's only randomness is here: nonces and new material."""

"""What key policies mean, as sets of requests: what sets two apart, with a request as a witness, and who could do what."""

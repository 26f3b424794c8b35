"""What key policies mean, as sets of requests: how two policies differ, with a request as a witness, and who could do what."""

"""What every process shares: how its parts are joined, and how it starts, stands by and ends."""

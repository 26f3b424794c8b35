"""The API worker as a process: its door, its limits on strangers, and how its parts fit together."""

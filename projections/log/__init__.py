"""What projections are given, and which log they answer from."""

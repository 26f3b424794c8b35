"""Benchmarks (`make bench`). Each figure stands beside a yardstick from the same run."""

"""Benchmarks (`make bench`). Figures have a target, and, where the machine matters, a yardstick from the same run."""

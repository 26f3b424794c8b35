"""What every process shares: connecting its parts, starting, standing by, ending."""

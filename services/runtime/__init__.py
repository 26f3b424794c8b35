"""What every process shares: joining its parts, starting, standing by, ending."""

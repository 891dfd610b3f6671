"""What the registry writes. Services take keyword arguments, check states, and record what they did."""

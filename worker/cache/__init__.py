"""What was computed before: title vectors and texts read, in this process and in Redis."""

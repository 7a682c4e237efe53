"""What the event loop knows of the partitions that it was given, and of their records under way."""

"""What the worker tells of itself: logs, probes, gauges, traces; and what it never tells."""

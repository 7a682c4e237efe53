"""Real servers for the tests: given addresses, then containers, then local processes."""

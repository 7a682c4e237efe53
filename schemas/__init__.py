"""The wire contract: what comes in, what goes out, what is refused."""

"""From a URL to bytes, past hosts that nobody trusts: what `worker.fetch` stands on."""

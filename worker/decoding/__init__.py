"""From bytes to pixels, in processes that may do nothing else: what `worker.decode` stands on."""

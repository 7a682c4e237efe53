"""``hangtag bench``: the worker on this machine, beside the best loop on the same engine."""

"""The peers as servers: each module one, run as ``python -m tests.bench.peer_servers.NAME``.

``POST {"url": …}`` fetches that picture, decodes it and gives it to the device. Each is set up as its own
documentation advises for this work; what none of them does is what the worker does beside it: stream and events.
"""

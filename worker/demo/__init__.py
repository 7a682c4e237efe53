"""The demo: real listings through the real worker, on an embedded broker, in one process."""

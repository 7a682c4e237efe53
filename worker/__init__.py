"""The worker: moves listing events through the model, exactly once. Start reading at ``pipeline.py``."""

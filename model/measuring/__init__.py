"""How good a checkpoint is, and how that is told."""

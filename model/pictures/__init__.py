"""From a picture's bytes to what the model sees of it, the same for a worker and for training. Needs Pillow alone."""

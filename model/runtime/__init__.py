"""What the towers run on, and the towers as it wants them."""

"""Where a picture was taken."""

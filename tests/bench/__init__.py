"""What hangtag costs beside the least it could cost: ``make bench``."""

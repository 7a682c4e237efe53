"""Pictures with prices of which is known what they say, and pictures with numbers that are no prices."""

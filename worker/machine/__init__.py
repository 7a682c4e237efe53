"""What the machine gives: cores, memory, threads that own something."""

"""How much may be under way, who goes first, and when to stop taking more."""

"""`make reliability`: what the design promises, tried against real servers, real processes and real malice."""

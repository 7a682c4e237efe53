"""Where in pictures there may be text: what is read at all."""

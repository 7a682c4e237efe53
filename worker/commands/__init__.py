"""One file per command, or per family of commands; heavy imports happen inside the functions."""

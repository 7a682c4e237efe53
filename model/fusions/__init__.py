"""Ways to make one vector of a picture and a title, each in a module of its own behind `pair.Fusion`."""

"""Pages of one case, each for one member of it."""

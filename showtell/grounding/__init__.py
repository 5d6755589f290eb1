"""Where in the picture: regions, their overlaps, and matching what was said with what is there."""

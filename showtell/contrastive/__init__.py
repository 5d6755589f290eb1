"""Part 3: contrastive learning — a text tower beside the image tower, one space for both, and the published pairs."""

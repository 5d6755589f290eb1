"""Floor 0: tensors, attention, geometry, configuration and checkpoints; imports nothing of ours."""

"""Part 5: visual instruction tuning — conversations, templates with masks by construction, packing, steps, answers."""

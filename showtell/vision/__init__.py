"""Part 2: vision transformers — patches in, tokens out; training objectives and probes for towers."""

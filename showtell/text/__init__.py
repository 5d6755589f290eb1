"""Text in and out: tokenizer, location tokens, decoder, key/value cache, sampling and generation."""

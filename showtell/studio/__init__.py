"""The studio: one page on this machine where a reader shows a picture, asks, and sees where the answer came from."""

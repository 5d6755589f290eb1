"""The demos, one file each; `catalogue.py` lists them in reading order."""

"""Errors that a user can cause, and how they are told.

Every message is one sentence that names the thing that is wrong, where it is, and what to do about it. The command
line prints the sentence and exits with code 2; anything that is *not* a `ShowtellError` is a defect of ours and keeps
its traceback.
"""


class ShowtellError(Exception):
    """Something the caller can put right: a file, a row, a question, a configuration."""


class ImageError(ShowtellError):
    """A picture that cannot be decoded safely or is too large, too small or not a single picture."""


class CheckpointError(ShowtellError):
    """A checkpoint whose files are missing, damaged, or whose keys do not match the architecture it declares."""


class DataError(ShowtellError):
    """A row of training or evaluation data that cannot be used as it is."""


class ConfigError(ShowtellError):
    """A configuration with an unknown key, a value of the wrong type, or values that contradict each other."""

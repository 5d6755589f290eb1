"""Ctrl-C and SIGTERM as a wish instead of an exception: finish the step, save, leave.

A second Ctrl-C ends the process at once; the last checkpoint stays valid because checkpoints are atomic.
"""

import signal
import threading
from types import FrameType
from typing import Any


class Interruption:
    """`with Interruption() as interruption: ... if interruption.wanted: ...`; restores the handlers at the end."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.wanted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wanted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.wanted = True

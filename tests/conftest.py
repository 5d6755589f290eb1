"""What every test stands on: shapes checked at run time, one thread, a temporary home, and a browser that must exist.

The import hook runs before anything of showtell is imported: jaxtyping then checks each signature
(`Float[Tensor, "batch tokens dim"]`) on every call a test makes, on the floors where tensors live. Users never pay for
it. The entry points are left out: they import late, so their types have no names while they run.
"""

import os
import shutil

import jaxtyping

FLOORS = (
    "core",
    "images",
    "text",
    "data",
    "worlds",
    "engine",
    "metrics",
    "vision",
    "contrastive",
    "fusion",
    "instruct",
    "grounding",
    "evaluation",
)
jaxtyping.install_import_hook([f"showtell.{floor}" for floor in FLOORS], "runtime_types.checked")

import pytest  # noqa: E402
import torch  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_configure(config: pytest.Config) -> None:
    # Two cores are shared by everything on a CI machine: more threads make small tensors slower, and vary the sums.
    torch.set_num_threads(1)
    # No test may depend on the network: a model hub that is asked anyway fails at once, with its own clear message.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium or Chrome. Without one a browser test fails: a missing reference never skips."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.fail(
            "the browser tests need Chromium or Chrome on the PATH and found none; install it "
            "(Debian, Ubuntu: apt-get install chromium; Fedora: dnf install chromium) and run `make test` again",
            pytrace=False,
        )
    return found

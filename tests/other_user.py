"""What tests of owners and modes share: a user who is not the one of the tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

OTHER_USER = 54321
"""Owns nothing."""

RunAsAnother = Callable[..., "subprocess.CompletedProcess[str]"]
"""Called with arguments of Python, and with the folder to run in."""

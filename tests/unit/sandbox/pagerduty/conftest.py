"""The account on a clock that stands still."""

from __future__ import annotations

import pytest

from sandbox.clock import Clock
from tests.unit.sandbox.pagerduty.account_driver import SETTING, START, Account


@pytest.fixture
def account() -> Account:
    made = Account(Clock.manual(START), seed=1)
    made.setup(SETTING)
    return made

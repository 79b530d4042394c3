"""What holds for all tests: which are played where, and that none is left out where everything real is there."""

import gc
import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import certifi
import pytest
from hypothesis import settings

settings.register_profile("aiec", deadline=None)  # how long one example takes says something about the machine alone
settings.load_profile("aiec")


def pytest_configure(config: pytest.Config) -> None:
    _trust_one_authority(config)
    _let_ctrl_c_through()


def _trust_one_authority(config: pytest.Config) -> None:
    """No test speaks TLS with the public, and reading the certificates of all its authorities for each client takes more than the rest of a stage."""
    first, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----\n")
    folder = TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    path = Path(folder.name) / "authority.pem"
    path.write_text(first + end)
    os.environ["SSL_CERT_FILE"] = str(path)


def _let_ctrl_c_through() -> None:
    """A shell ignores Ctrl-C for what it runs in the background, and so would the processes that are started here to be ended by it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked `slow` is for CI and for whoever asks for it."""
    if os.environ.get("AIEC_SLOW") or os.environ.get("AIEC_NO_SKIPS"):
        return
    later = pytest.mark.skip(reason="it takes long: AIEC_SLOW=1 plays it, and CI always does")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(later)


def pytest_collection_finish() -> None:
    """Looking for cycles again and again among all modules and tests, which stay, would take a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where everything real is there (AIEC_NO_SKIPS=1), a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("AIEC_NO_SKIPS") and skipped and exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{len(skipped)} tests were skipped, and AIEC_NO_SKIPS is set:")
        for report in skipped:
            reporter.write_line(f"  {report.nodeid}: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

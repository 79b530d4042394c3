"""The terminal's subcommands, as somebody types them who does not know them yet."""

import pytest

from bot.cli import main


def ended(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Returns what is said on standard error when the arguments are wrong."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_without_a_command_the_help_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    said = ended([], capsys)
    assert all(f"    {name} " in said for name in ("demo", "run", "check", "exec", "audit"))


@pytest.mark.parametrize(
    ("typed", "quoted"),
    [
        (["deploy", "prod", "v1.2.0"], "aiec exec 'deploy prod v1.2.0'"),
        (["deploy", "prod", "v1.2.0", "--service", "gateway", "--yes"], "aiec exec 'deploy prod v1.2.0 --service gateway'"),
    ],
)
def test_a_request_without_quotes_is_shown_with_them(capsys: pytest.CaptureFixture[str], typed: list[str], quoted: str) -> None:
    assert f"the request stands in quotes, as one argument: {quoted}\n" in ended(["exec", *typed], capsys)


def test_what_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "invalid choice: 'chek'" in ended(["chek"], capsys)
    assert "unrecognized arguments: --lively" in ended(["check", "--lively"], capsys)

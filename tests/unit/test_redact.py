"""What is taken out of a log before it is posted, and what is left alone."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.redact import CARD, EMAIL, SECRET, redacted

WORDS = st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=80)
LETTERS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)


def luhn(digits: str) -> str:
    """The digits with the check digit that makes them a card number."""
    doubled = [sum(divmod(int(one) * (2 if place % 2 == 0 else 1), 10)) for place, one in enumerate(reversed(digits))]
    return digits + str(-sum(doubled) % 10)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login password=hunter2 ok", "login password=[secret] ok"),
        ('{"password": "a \\" b", "user": "x"}', '{"password": [secret], "user": "x"}'),
        ('{\\"token\\": \\"abc def\\"}', '{\\"token\\": [secret]}'),
        ("DB_PASSWORD='x y' PORT=80", "DB_PASSWORD=[secret] PORT=80"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [secret]"),
        ("authorization=Basic Zm9vOmJhcg==", "authorization=Basic [secret]"),
        ("sent Bearer abcdefgh12345", "sent Bearer [secret]"),
        ("Cookie: session=1; theme=dark", "Cookie: [secret]"),
        ("postgres://app:s3cr@t@db:5432/shop", "postgres://app:[secret]@db:5432/shop"),
        ("redis://:s3cret@cache/0", "redis://:[secret]@cache/0"),
        ("GET /api?api_key=abc&page=2", "GET /api?api_key=[secret]&page=2"),
        ("jwt eyJhbGciOiJI.eyJzdWIiOiIx.c2ln ok", "jwt [secret] ok"),
        ("key AKIAIOSFODNN7EXAMPLE ok", "key [secret] ok"),
        ("push with ghp_" + "a1" * 18, "push with [secret]"),
        ("paid 4111 1111 1111 1111.", "paid [card number]."),
        ("paid 378282246310005", "paid [card number]"),
        ("404 4111111111111111 200 3782 822463 10005 17", "404 [card number] 200 [card number] 17"),
        ("mail to joão.silva+x@loja.com.br, thanks", "mail to [e-mail], thanks"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\nabc=\n-----END PRIVATE KEY-----\nnext", "[secret]\n\n\n\nnext"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\nlevel=info nothing to hide\nnext", "[secret]\n\nlevel=info nothing to hide\nnext"),
    ],
)
def test_what_nobody_should_read_is_replaced(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        'level=info msg="GET /health/ready" status=200 duration=3ms',
        "KeyError: 'PAYMENTS_TOKEN'",
        "tokens=512 max_tokens: 4 mapping: 5 spin=3",
        "error: authentication token expired",
        "ts=1764107673123 trace=4bf92f3577b34da6a3ce929d0e0e4736 id=550e8400-e29b-41d4-a716-446655440000",
        "order 4111111111111112 of 12345678901234567890",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "image ghcr.io/a/b@sha256:0123456789abcdef",
        "https://example.com:8080/path?page=2",
        "the basic idea, the bearer of news",
        "decorator @app.route and user@host",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert redacted(text) == text


@given(before=WORDS, digits=st.from_regex(r"[3-6][0-9]{11,17}", fullmatch=True), mark=st.sampled_from(["", " ", "-"]), after=WORDS)
def test_no_card_number_comes_through(before: str, digits: str, mark: str, after: str) -> None:
    whole = luhn(digits)
    number = mark.join(whole[start : start + 4] for start in range(0, len(whole), 4))
    assert number not in redacted(f"{before} {number} {after}")


@given(before=WORDS, local=LETTERS, host=LETTERS, after=WORDS)
def test_no_address_comes_through(before: str, local: str, host: str, after: str) -> None:
    address = f"{local}@{host}.example"
    assert address not in redacted(f"{before} {address} {after}")


NAMES = st.sampled_from(["password", "DB_PASSWORD", "client_secret", "apiKey", "access-token", "x.token"])


@given(name=NAMES, value=LETTERS, quote=st.sampled_from(["", '"', "'"]), sign=st.sampled_from(["=", ": ", " = ", ":"]))
def test_no_named_secret_comes_through(name: str, value: str, quote: str, sign: str) -> None:
    assert redacted(f"a {name}{sign}{quote}{value}{quote} b") == f"a {name}{sign}{SECRET} b"


@given(text=st.one_of(WORDS, st.lists(st.sampled_from([
    "password=", "a@b.cc", "4111111111111111", "\n", " ", '"', "token: ", "Bearer abcdefgh", SECRET, CARD, EMAIL, "-----BEGIN PRIVATE KEY-----", "://u:p@h",
])).map("".join)))  # fmt: skip
def test_lines_stay_lines_and_a_second_time_changes_nothing(text: str) -> None:
    once = redacted(text)
    assert once.count("\n") == text.count("\n")
    assert redacted(once) == once


@pytest.mark.parametrize("text", ["a" * 1_000_000, "a@" * 500_000, "4 " * 500_000, "token=" * 170_000, '"' * 1_000_000, "x://" * 250_000])
def test_time_grows_with_the_length_alone(text: str) -> None:
    def took(given: str) -> float:
        start = time.process_time()
        redacted(given)
        return time.process_time() - start

    assert took(text) < 40 * took(text[: len(text) // 10]) + 1

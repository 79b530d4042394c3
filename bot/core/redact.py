"""What must not be posted of a text that programs wrote: credentials, card numbers, e-mail addresses.

It knows them by their form, so it is a net and no proof: a password in the middle of a sentence stays. All patterns are RE2's: a line of any length and form
takes time in proportion to its length.
"""

from collections.abc import Callable
from typing import Any

import re2

SECRET, CARD, EMAIL = "[secret]", "[card number]", "[e-mail]"

# The name of a member or a variable whose value nobody should read. `tokens=512` and `max_tokens` are figures, so a plural ends it.
_NAME = (
    r"(?:[A-Za-z0-9_.\-]*(?:passw(?:or)?d|passwd|pwd|passphrase|secret|token|api[_\-]?key|apikey|access[_\-]?key|secret[_\-]?key|private[_\-]?key"
    r"|credentials?|session[_\-]?id|signature|webhook[_\-]?url)(?:[_\-](?:key|id|hash|value|base64|b64))?|auth|dsn|pin|cvv|cvc|otp)"
)
# A value in quotes (also in quotes that are escaped, as in JSON within JSON), or what comes up to the next space or comma.
_VALUE = r'(?:\[secret\]|\\"[^"\n]*\\"|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[^\s,;&"\'}\\]+)'
_GROUP = re2.compile(r"[0-9]+")
_MOST_GROUPS = 5

Replace = str | Callable[[Any], str]

# Up to its end, or as long as lines look like one: a key that was cut off must not swallow the rest of a log.
_PRIVATE_KEY = re2.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[^\n]*(?:\n[A-Za-z0-9+/=]{16,}\r?)*(?:(?:\n[A-Za-z0-9+/=]+\r?)?\n-----END [A-Z0-9 ]*PRIVATE KEY-----)?"
)
_OPEN_KEY = re2.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[^\n]*(?:\n[A-Za-z0-9+/=]{16,}\r?)*")
_RULES: tuple[tuple[Any, Replace], ...] = (
    (_PRIVATE_KEY, lambda found: SECRET + "\n" * found[0].count("\n")),
    # Credentials by their scheme, wherever they stand; the whole header where it is named.
    (re2.compile(r"(?i)\b(authorization[\"']?[ \t]*[:=][ \t]*[\"']?(?:[a-z]+ )?)[^\s\"',]+"), rf"\1{SECRET}"),
    (re2.compile(r"(?i)\b(bearer|basic) [a-z0-9._~+/=\-]{8,}"), rf"\1 {SECRET}"),
    (re2.compile(r"(?i)\b((?:set-)?cookie[\"']?[ \t]*[:=][ \t]*)[^\n]+"), rf"\1{SECRET}"),
    (re2.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://[^\s:/@\"']*):[^\s/\"']*@"), rf"\1:{SECRET}@"),
    # Tokens that say themselves what they are: JWT, GitHub, GitLab, Slack, AWS, Google, Stripe, npm, SendGrid, PyPI, and keys that begin with `sk-`.
    (re2.compile(r"\beyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]*"), SECRET),
    (
        re2.compile(
            r"\b(?:gh[opusr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_\-]{15,}|xox[a-z]-[A-Za-z0-9\-]{8,}|xapp-[A-Za-z0-9\-]{8,}"
            r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_\-]{30,}|[spr]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9]{8,}|npm_[A-Za-z0-9]{30,}"
            r"|SG\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}|pypi-[A-Za-z0-9_\-]{20,}|sk-[A-Za-z0-9_\-]{20,})"
        ),
        SECRET,
    ),
    (re2.compile(rf"(?i)(\b{_NAME}(?:\\?[\"'])?[ \t]*(?:=>|[:=])[ \t]*){_VALUE}"), rf"\1{SECRET}"),
    (re2.compile(r"\b[0-9](?:[ \-]?[0-9]){12,}\b"), lambda found: _without_cards(found[0])),
    (re2.compile(r"[\pL\pN._%+\-]+@[\pL\pN\-]+(?:\.[\pL\pN\-]+)+"), EMAIL),
)


def redacted(text: str) -> str:
    """Returns the text with what looks like a credential, a card number or an e-mail address replaced; it has as many lines as before."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def unfinished_key(text: str) -> bool:
    """Returns whether the text ends within a private key, so that what follows it may still be of that key."""
    begun = text.rfind("-----BEGIN ")
    return begun >= 0 and (found := _OPEN_KEY.match(text[begun:])) is not None and found.end() == len(text) - begun


def _without_cards(digits: str) -> str:
    """A run of digits, with single spaces or hyphens between some: other numbers may stand right beside a card's."""
    groups = [found.span() for found in _GROUP.finditer(digits)]
    said, place, first = "", 0, 0
    while first < len(groups):
        last = next((last for last in range(first, min(first + _MOST_GROUPS, len(groups))) if _is_card(digits, groups[first : last + 1])), None)
        if last is not None:
            said += digits[place : groups[first][0]] + CARD
            place, first = groups[last][1], last
        first += 1
    return said + digits[place:]


def _is_card(text: str, groups: list[tuple[int, int]]) -> bool:
    """Whether the groups have a card number's form (in one, or of four to six digits behind four), a first digit that cards have, and the right check digit
    (ISO/IEC 7812): of arbitrary numbers that look so, nine of ten are none."""
    sizes = [end - start for start, end in groups]
    if not 13 <= sum(sizes) <= 19 or (len(groups) > 1 and (sizes[0] != 4 or not all(4 <= size <= 6 for size in sizes[:-1]))):
        return False
    digits = [int(one) for start, end in groups for one in text[start:end]]
    doubled = sum(sum(divmod(2 * one, 10)) for one in digits[-2::-2])
    return 2 <= digits[0] <= 6 and (doubled + sum(digits[-1::-2])) % 10 == 0

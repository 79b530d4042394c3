"""Any card that the types allow, with the texts that break naive rendering drawn more often than chance would."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from bot.core.card import Action, Bold, Card, Channel, CheckResult, Code, Evidence, Link, Person, Ref, Row, State, Time, Verdict

NASTY = ["", " ", "\n", "`", "```", "*", "|", "<!channel>", "<@U0ENGINEER>", "&amp;", "a&b<c>", "日本語", "🔥" * 40, "x" * 4000, "&" * 3500]
NASTY += ["\x1b[31mred\x1b[0m", "\u202egnp.exe"]
texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=120), st.text(alphabet="<>&`*| \nab", max_size=200))
moments = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
spans = st.one_of(
    texts,
    st.builds(Bold, text=texts),
    st.builds(Code, text=texts),
    st.builds(Person, name=texts, notify=st.booleans()),
    st.builds(Time, at=moments, style=st.sampled_from(["clock", "date", "ago"])),
    st.builds(Link, url=st.one_of(texts, st.just("https://example.com/a|b?c=<d>&e")), text=texts),
    st.builds(Channel, name=texts),
    st.builds(Ref, key=texts, text=texts),
)
lines = st.lists(spans, max_size=5).map(tuple)
rows = st.builds(Row, name=texts, text=lines, progress=st.none() | st.tuples(st.integers(-2, 30), st.integers(-2, 20)))
checks = st.builds(CheckResult, check=texts, verdict=st.sampled_from(Verdict), text=texts, hint=texts)
evidence = st.builds(Evidence, title=texts, text=st.one_of(texts, st.just("a line of a log\n" * 3000)))
arguments = st.dictionaries(st.text(max_size=10), st.one_of(texts, st.integers(), st.booleans(), st.none(), st.lists(texts, max_size=3)), max_size=3)
actions = st.builds(Action, label=texts, command=texts, arguments=arguments, style=st.sampled_from([None, "primary", "danger"]), confirm=texts)


def tuples(of: st.SearchStrategy, most: int) -> st.SearchStrategy:
    return st.lists(of, max_size=most).map(tuple)


cards = st.builds(
    Card,
    headline=lines,
    state=st.none() | st.sampled_from(State),
    lines=tuples(lines, 4),
    rows=tuples(rows, 4),
    checks=tuples(checks, 4),
    evidence=tuples(evidence, 2),
    actions=st.one_of(tuples(actions, 4), actions.map(lambda action: (action,) * 130)),
)

"""Words as typed arguments, and the sentences for what does not fit."""

from typing import Annotated

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field

from bot.core.data import Frozen
from bot.core.durations import Duration
from bot.core.errors import UsageError
from bot.core.parse import Param, Version, bind, check, find_command, usage, validate, words

CHOICES = {"environments": ["staging", "prod"], "services": ["gateway", "ml-recommendation"], "people": ["ana", "rui"]}
Environment = Annotated[str, Param(choices="environments", metavar="env")]


class Deploy(Frozen):
    environment: Environment
    version: Version
    service: Annotated[tuple[str, ...], Param(option=True, choices="services", metavar="NAME")] = ()
    emergency: Annotated[str, Param(option=True, metavar="REASON")] = ""
    dry_run: Annotated[bool, Param(option=True)] = False


class Freeze(Frozen):
    environment: Environment
    for_: Annotated[Duration | None, Param(option=True, metavar="DURATION")] = None
    reason: Annotated[str, Param(rest=True)]


class Scale(Frozen):
    replicas: Annotated[int, Field(ge=0, le=50), Param()]
    owner: Annotated[str, Param(kind="person", choices="people")] = "ana"


class Nothing(Frozen):
    pass


def deploy(line: str) -> Deploy:
    return bind(Deploy, words(line), CHOICES, command="deploy")


def complaint(line: str, model: type[Frozen] = Deploy, command: str = "deploy") -> str:
    with pytest.raises(UsageError) as caught:
        bind(model, words(line), CHOICES, command=command)
    return caught.value.text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("prod v1.2.0", Deploy(environment="prod", version="v1.2.0")),
        ("--dry-run prod v1.2.0-rc.1", Deploy(environment="prod", version="v1.2.0-rc.1", dry_run=True)),
        ("prod v1.2.0 --service gateway --service=ml-recommendation", Deploy(environment="prod", version="v1.2.0", service=("gateway", "ml-recommendation"))),
        ("prod —service gateway,ml-recommendation v1.2.0-crash", Deploy(environment="prod", version="v1.2.0-crash", service=("gateway", "ml-recommendation"))),
        ("prod v1.2.0 --emergency “gateway is down”", Deploy(environment="prod", version="v1.2.0", emergency="gateway is down")),
        ('prod v1.2.0 --emergency "--force was used"', Deploy(environment="prod", version="v1.2.0", emergency="--force was used")),
        ("-- prod v1.2.0", Deploy(environment="prod", version="v1.2.0")),
    ],
)
def test_binds(line: str, expected: Deploy) -> None:
    assert deploy(line) == expected


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("", "`deploy` needs `<env>` and `<version>`."),
        ("prod", "`deploy` needs `<version>`."),
        ('"" v1.2.0', "`deploy` needs `<env>`."),
        ("prd v1.2.0", "*prd* is not an environment; did you mean `prod`?"),
        ("production v1.2.0", "*production* is not an environment; did you mean `prod`?"),
        ("elsewhere v1.2.0", "*elsewhere* is not an environment; there are `staging` and `prod`."),
        ("prod v1.2.0 --service gatway", "*gatway* is not a service; did you mean `gateway`?"),
        ("prod v1.2.0 gateway", "*gateway* is one argument too many for `deploy`; a text of several words stands in quotes."),
        ("prod v1.2.0 --servce gateway", "*--servce* is not an option of `deploy`; did you mean `--service`?"),
        ("prod v1.2.0 -f", "*-f* is not an option of `deploy`; there are `--service`, `--emergency` and `--dry-run`."),
        ("prod v1.2.0 --service", "`--service` needs a value: `--service NAME`."),
        ("prod v1.2.0 --service ,", "`--service` needs a value: `--service NAME`."),
        ("prod v1.2.0 --emergency", '`--emergency` needs a value: `--emergency "REASON"`.'),
        ("prod v1.2.0 --emergency '  '", '`--emergency` needs a value: `--emergency "REASON"`.'),
        ("prod v1.2.0 --emergency --dry-run", '`--emergency` needs a value: `--emergency "REASON"`.'),
        ("prod v1.2.0 --emergency a --emergency b", "`--emergency` is given twice, as *a* and as *b*."),
        ("prod v1.2.0 --dry-run=yes", "`--dry-run` takes no value."),
        ("😀 v1.2.0", "*😀* is not an environment; there are `staging` and `prod`."),
    ],
)
def test_says_what_is_wrong(line: str, text: str) -> None:
    assert complaint(line) == text


@pytest.mark.parametrize(
    ("version", "meant"),
    [("v1.2.O", "v1.2.0"), ("1.2.0", "v1.2.0"), ("V1.2.0", "v1.2.0"), ("vl.2.0", "v1.2.0"), ("v1.2", "v1.2.0"), ("v01.2.0", "v1.2.0"), ("1.2-RC", "v1.2.0-RC")],
)
def test_a_misspelt_version_is_recognised(version: str, meant: str) -> None:
    assert complaint(f"prod {version}") == f"*{version}* is not a version; did you mean `{meant}`?"


@pytest.mark.parametrize("version", ["banana", "v1.2.0+build", "v1.2.0-", "v", "v1.2.3.4", "latest", "v1.2.٣", "v1.2.0-" + "a" * 200])
def test_what_is_no_version_is_refused(version: str) -> None:
    assert complaint(f"prod {version}").endswith("is not a version; it is written `v1.2.0` or `v1.2.0-rc.1`.")


def test_a_usage_error_ends_with_the_usage_and_an_example_that_runs() -> None:
    with pytest.raises(UsageError) as caught:
        deploy("prod")
    line = "deploy <env> <version> [--service NAME]… [--emergency REASON] [--dry-run]"
    assert caught.value.hint == f"Usage: `/aiec {line}`, for example `/aiec deploy staging v1.2.0`"
    assert usage(Deploy, "deploy") == line
    assert deploy("staging v1.2.0").environment == "staging"


def test_the_example_is_the_commands_own_where_it_can_be_typed() -> None:
    def hint(*examples: str) -> str:
        with pytest.raises(UsageError) as caught:
            bind(Deploy, words("prod"), CHOICES, command="deploy", examples=examples)
        return str(caught.value.hint).rpartition(", for example ")[2]

    assert hint("deploy moon v1.2.0", "deploy prod", "deploy prod v1 x", "deploy prod v1.3.0 --dry-run") == "`/aiec deploy prod v1.3.0 --dry-run`"
    assert hint("deploy prod v1.2.0 --service nothing") == "`/aiec deploy staging v1.2.0`"


def test_the_rest_of_a_line_is_kept_as_it_was_typed() -> None:
    def freeze(line: str) -> Freeze:
        return bind(Freeze, words(line), CHOICES, command="freeze")

    assert freeze('prod the "db"  is\nmoving').reason == 'the "db"  is\nmoving'
    assert freeze('prod "the db"').reason == "the db"
    assert freeze("prod moving the db --for 2h").model_dump(mode="json") == {"environment": "prod", "for_": "2h", "reason": "moving the db"}
    assert freeze("prod we ran kubectl --now").reason == "we ran kubectl --now"
    assert complaint("prod moving --fro 2h", Freeze, "freeze") == "*--fro* is not an option of `freeze`; did you mean `--for`?"
    assert complaint("prod", Freeze, "freeze") == "`freeze` needs `<reason>`."
    assert complaint("prod --for soon x", Freeze, "freeze") == "*soon* is not a duration such as 90s, 15m, 2h, 3d or 1h30m."
    assert usage(Freeze, "freeze") == "freeze <env> [--for DURATION] <reason…>"


def test_numbers_and_people() -> None:
    def scale(line: str) -> Scale:
        return bind(Scale, words(line), CHOICES, command="scale")

    assert scale("5 @rui") == Scale(replicas=5, owner="rui")
    assert scale("5 <@U0SOMEBODY|who>").owner == "U0SOMEBODY"
    assert complaint("five", Scale, "scale") == "*five* is not a whole number."
    assert complaint("51", Scale, "scale") == "*51* is above 50."
    assert complaint("5 anna", Scale, "scale") == "*anna* is not a person of aiec.yaml; did you mean `ana`?"
    assert usage(Scale, "scale") == "scale <replicas> [owner]"


def test_a_command_without_arguments_takes_none() -> None:
    assert bind(Nothing, words(""), CHOICES, command="overview") == Nothing()
    assert complaint("--x", Nothing, "overview") == "*--x* is not an option of `overview`; there is none."


def test_a_form_is_checked_field_by_field() -> None:
    values = {"environment": "prd", "version": "1.2.0", "service": ["gateway", "x"]}
    assert check(Deploy, values, CHOICES) == {
        "environment": "*prd* is not an environment; did you mean `prod`?",
        "version": "*1.2.0* is not a version; did you mean `v1.2.0`?",
        "service": "*x* is not a service; there are `gateway` and `ml-recommendation`",
    }
    assert validate(Deploy, {"environment": "prod", "version": "v1.2.0"}, CHOICES, command="deploy") == Deploy(environment="prod", version="v1.2.0")
    with pytest.raises(UsageError, match="There is no such argument"):
        validate(Deploy, {"environment": "prod", "version": "v1.2.0", "force": "yes"}, CHOICES, command="deploy")


def test_invisible_characters_are_named_where_something_is_wrong() -> None:
    assert deploy("pr\u200bod v1.2.0").environment == "prod"
    assert complaint("pr\u200bd v1.2.0") == "*prd* is not an environment; did you mean `prod`? (left out of *prd*: the invisible U+200B)"


def test_finds_a_command_or_the_nearest() -> None:
    names = ["deploy", "status"]
    assert find_command(["status"], names) == "status"
    assert find_command(["Deploy"], names) == "deploy"
    with pytest.raises(UsageError, match=r"^\*depoly\* is not a command; did you mean `deploy`\?$"):
        find_command(["depoly"], names)
    with pytest.raises(UsageError, match=r"^\*😀\* is not a command\.$"):
        find_command(["😀"], names)


def test_long_nonsense_is_quoted_in_sixty_characters() -> None:
    text = complaint("x" * 4000 + " v1.2.0")
    assert text.startswith("*" + "x" * 59 + "…* is not an environment")
    assert len(text) < 200


pieces = ["prod", "v1.2.0", "--service", "--for", "2h", "--", "“", "\u202e", "<@U1|a>", "-x=", '"', "5"]
lines = st.text(max_size=200) | st.lists(st.sampled_from(pieces)).map(" ".join)


@example("--service \U0001f468\u200d\U0001f469")
@example("\ud800 \x00")
@example("x" * 4000)
@given(lines)
def test_no_text_raises_anything_but_a_usage_error(line: str) -> None:
    for model in (Deploy, Freeze, Scale, Nothing):
        said = "nothing"
        try:
            bound = bind(model, words(line), CHOICES, command="it")
            assert model.model_validate_json(bound.model_dump_json()) == bound
        except UsageError as error:
            said = error.text
        assert 0 < len(said.encode()) < 1000

"""aiec.yaml as data: its shape, what it derives, and what its parts must agree on."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from bot.core.config import Config

MINIMAL: dict[str, Any] = {
    "platform": "shop",
    "environments": {
        "staging": {"namespace": "shop-staging", "channel": "#ops", "approvals": 0},
        "prod": {"namespace": "shop", "channel": "#ops", "approvals": 1, "promotion": {"from": "staging"}},
    },
    "services": {"gateway": {"container": "gateway", "image": "ghcr.io/shop/gateway", "replicas": {"min": 3, "max": 10}}},
    "people": {"ana": {"slack": "U0ANA", "os_user": "ana"}, "rui": {"slack": "U0RUI"}},
    "permissions": [{"who": ["ana", "@devops"], "may": ["deploy"], "in": ["prod"]}],
    "channels": {"incidents": "#incidents", "alerts": "#alerts", "digest": "#alerts"},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """Returns the smallest configuration with one value replaced; the path's keys are joined by spaces."""
    data = copy.deepcopy(MINIMAL)
    *way, last = [int(key) if key.isdigit() else key for key in path.split()]
    here: Any = data
    for key in way:
        here = here.setdefault(key, {}) if isinstance(here, dict) else here[key]
    here[last] = value
    return data


def problem(data: dict[str, Any]) -> tuple[str, str]:
    """Returns the place and the sentence of the only thing that is wrong."""
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(data)
    [error] = caught.value.errors()
    return " ".join(map(str, error["loc"])), error["msg"]


def test_the_smallest_configuration_has_sensible_defaults() -> None:
    config = Config.model_validate(MINIMAL)
    prod = config.environments["prod"]
    assert prod.approval_expires == timedelta(minutes=30)
    assert (prod.rollout.deadline, prod.rollout.bake, prod.rollout.on_failure) == (timedelta(minutes=10), timedelta(), "rollback")
    assert prod.promotion is not None
    assert prod.promotion.from_ == "staging"
    assert config.services["gateway"].deployable
    assert config.escalation is None


def test_a_name_is_one_or_one_per_environment_or_the_key() -> None:
    path = "services gateway name"
    each = Config.model_validate(changed(path, {"prod": "gateway-production", "staging": "gateway"})).services["gateway"]
    assert each.name_in("prod", "gateway") == "gateway-production"
    assert Config.model_validate(changed(path, "gw")).services["gateway"].name_in("prod", "gateway") == "gw"
    assert Config.model_validate(MINIMAL).services["gateway"].name_in("prod", "gateway") == "gateway"


def test_health_urls_join_base_and_paths() -> None:
    config = Config.model_validate(changed("environments prod health", {"url": "https://api.shop.com/", "paths": ["/health", "/health/ready"]}))
    health = config.environments["prod"].health
    assert health is not None
    assert health.urls() == ("https://api.shop.com/health", "https://api.shop.com/health/ready")


def test_people_are_found_by_their_accounts() -> None:
    config = Config.model_validate(MINIMAL)
    assert config.person_by_slack("U0RUI") == "rui"
    assert config.person_by_os_user("ana") == "ana"
    assert config.person_by_slack("U0NOBODY") is None
    assert config.person_by_os_user("root") is None


def test_choices_name_what_can_be_deployed() -> None:
    config = Config.model_validate(changed("services redis", {"kind": "StatefulSet", "container": "redis", "deploy": False}))
    assert config.choices()["services"] == ["gateway", "redis"]
    assert config.choices()["deployable"] == ["gateway"]


def test_a_freeze_includes_its_last_day_and_is_utc() -> None:
    freezes = [
        {"from": "2026-12-24", "to": "2026-12-27", "reason": "holidays"},
        {"from": "2026-01-01T10:00+02:00", "to": "2026-01-01 09:30", "reason": "audit"},
    ]
    days, hours = Config.model_validate(changed("environments prod freezes", freezes)).environments["prod"].freezes
    assert (days.from_, days.to) == (datetime(2026, 12, 24, tzinfo=UTC), datetime(2026, 12, 28, tzinfo=UTC))
    assert (hours.from_, hours.to) == (datetime(2026, 1, 1, 8, tzinfo=UTC), datetime(2026, 1, 1, 9, 30, tzinfo=UTC))


def test_json_reads_back_as_the_same_configuration() -> None:
    config = Config.model_validate(changed("environments prod freezes", [{"from": "2026-12-24", "to": "2026-12-27", "reason": "holidays"}]))
    assert Config.model_validate_json(config.model_dump_json(by_alias=True)) == config


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("environments prod approvals", "one", "expected a whole number ≥ 0, found 'one'"),
        ("environments prod approvals", True, "expected a whole number ≥ 0, found true"),
        ("environments prod approvals", -1, "expected a whole number ≥ 0, found -1"),
        ("environments prod approval_expires", 30, "expected a duration such as 90s, 15m, 2h, 3d or 1h30m, longer than 0s, found 30"),
        ("environments prod approval_expires", "0s", "expected a duration such as 90s, 15m, 2h, 3d or 1h30m, longer than 0s, found '0s'"),
        ("environments prod channel", None, 'expected a Slack channel such as "#devops", in quotes, because YAML takes # for a comment, found nothing'),
        ("environments prod namespace", "Prod", "expected a Kubernetes namespace: small letters, digits and hyphens, found 'Prod'"),
        ("environments prod rollout on_failure", "explode", "expected rollback or stop, found 'explode'"),
        ("environments prod health url", "api.shop.com", "expected a URL such as https://api.example.com, found 'api.shop.com'"),
        ("services gateway wave", 0, "expected a whole number ≥ 1, found 0"),
        ("services gateway deploy", "yes", "expected true or false, found 'yes'"),
        ("services gateway name", ["a"], "expected a Kubernetes name, or one per environment, found a list"),
        ("services gateway kind", "deployment", "expected Deployment, StatefulSet or DaemonSet, found 'deployment'"),
        ("github repository", "shop", "expected a repository of GitHub such as owner/name, found 'shop'"),
        ("github repository", "acme/shop.git", "expected a repository of GitHub such as owner/name, found 'acme/shop.git'"),
        ("github repository", "https://github.com/acme/shop", "expected a repository of GitHub such as owner/name, found 'https://github.com/acme/shop'"),
        ("github repository", "acme/..", "expected a repository of GitHub such as owner/name, found 'acme/..'"),
        ("people ana zone", "Europe/Lisboa", "expected a time zone such as Europe/Lisbon or UTC, found 'Europe/Lisboa'"),
        ("people ana zone", "America", "expected a time zone such as Europe/Lisbon or UTC, found 'America'"),
    ],
)
def test_a_wrong_value_says_what_was_expected(path: str, value: object, sentence: str) -> None:
    assert problem(changed(path, value)) == (path, sentence)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("ci", "maybe", "expected true, false or workflows, found 'maybe'"),
        ("ci", 1, "expected true, false or workflows, found 1"),
        ("tag", "v1.2.0", "expected a tag with the version in it, such as \"{version}\", found 'v1.2.0'"),
        ("tag", "{version}/{service}", "expected a tag with the version in it, such as \"{version}\", found '{version}/{service}'"),
        ("tag", "/{version}", "expected a tag with the version in it, such as \"{version}\", found '/{version}'"),
        ("when_unseen", "ignore", "expected fail or pass, found 'ignore'"),
    ],
)
def test_a_wrong_value_of_github_says_what_was_expected(key: str, value: object, sentence: str) -> None:
    assert problem(changed("github", {"repository": "acme/shop", key: value})) == (f"github {key}", sentence)


def test_github_has_sensible_defaults() -> None:
    github = Config.model_validate(changed("github", {"repository": "acme/shop"})).github
    assert github is not None
    assert (github.ci, github.tag, github.when_unseen) == (True, "{version}", "fail")
    assert Config.model_validate(changed("github", {"repository": "acme/shop", "ci": "workflows", "tag": "gateway/{version}"})).github is not None


@pytest.mark.parametrize("cron", ["", "* * * *", "* * * * * *", "61 * * * *", "0 2 30 2 *", "@daily", "H * * * *"])
def test_a_bad_cron_expression_is_refused(cron: str) -> None:
    place, sentence = problem(changed("environments prod change_window", {"cron": cron, "duration": "4h"}))
    assert place == "environments prod change_window cron"
    assert sentence.startswith("expected a cron expression of five fields in UTC")


@pytest.mark.parametrize("moment", [5, "tomorrow", "2026-02-30", "0001-01-01T00:00+23:00", None, ["2026-01-01"]])
def test_a_bad_moment_is_refused(moment: object) -> None:
    place, sentence = problem(changed("environments prod freezes", [{"from": moment, "to": "9999-12-30", "reason": "x"}]))
    assert place == "environments prod freezes 0 from"
    assert sentence.startswith("expected a day or a time in UTC")


@pytest.mark.parametrize("image", ["ghcr.io/shop/gateway:v1", "ghcr.io/shop/gateway@sha256:0", "Shop/Gateway", "https://ghcr.io/shop/gateway", ""])
def test_an_image_has_neither_tag_nor_scheme(image: str) -> None:
    assert problem(changed("services gateway image", image))[1].startswith("expected an image without its tag")


@pytest.mark.parametrize(
    ("path", "value", "place", "sentence"),
    [
        ("environments prod promotion from", "stagin", "", "no environment is called 'stagin'; did you mean `staging`?"),
        ("environments staging promotion", {"from": "staging"}, "environments staging promotion from", "promotion goes in a circle: staging ← staging"),
        ("permissions 0 who", ["anna"], "permissions 0 who 0", "no person is called 'anna'; did you mean `ana`?"),
        ("permissions 0 in", ["prd"], "permissions 0 in 0", "no environment is called 'prd'; did you mean `prod`?"),
        ("services gateway replicas", {"min": 5, "max": 3}, "services gateway replicas min", "the least number of replicas (5) is above the greatest (3)"),
        ("services gateway name", {"prod": "gw"}, "", "staging has no name here; give one for each environment, or one for all"),
        ("services gateway image", None, "services gateway", "`image` is missing; a service that is never deployed says `deploy: false`"),
        ("services gateway strategy", "manifests", "services gateway", "`strategy: manifests` and `manifests: FOLDER` go together"),
        ("services gateway kind", "DaemonSet", "services gateway replicas", "a DaemonSet has no replicas: it runs on every node"),
        ("services gateway gates", [{"promql": "up"}], "services gateway gates 0", "a gate is either {workflow: NAME} or {promql: EXPRESSION, below: NUMBER}"),
        ("services gateway repository", "acme/gateway", "", "`repository` of a service needs the section `github`"),
        ("people rui slack", "U0ANA", "", "ana has 'U0ANA' too; one account is one person"),
        ("routing", [{"match": {}, "severity": "SEV1"}], "routing 0 severity", "no severity is called 'SEV1'; there is none"),
        ("routing", [{"match": {}, "channel": "alert"}], "routing 0 channel", "no channel of `channels` is called 'alert'; did you mean `alerts`?"),
        ("procedures", {"switch": {"service": "db", "command": ["x"]}}, "procedures switch service", "no service is called 'db'; there is only `gateway`"),
        (
            "procedures",
            {"switch": {"service": "gateway", "command": ["x"], "restart": ["gatway"]}},
            "procedures switch restart 0",
            "no service is called 'gatway'; did you mean `gateway`?",
        ),
        (
            "procedures",
            {"switch": {"service": "gateway", "command": ["x"], "in": ["prd"]}},
            "procedures switch in 0",
            "no environment is called 'prd'; did you mean `prod`?",
        ),
        ("notifications email", {"from": "a@b", "on": [], "to": ["lead"]}, "notifications email to 0", "no person is called 'lead'; there are `ana` and `rui`"),
    ],
)
def test_parts_that_disagree_are_named_at_their_place(path: str, value: object, place: str, sentence: str) -> None:
    assert problem(changed(path, value)) == (place or path, sentence)


def test_a_freeze_must_not_end_before_it_begins() -> None:
    place, sentence = problem(changed("environments prod freezes", [{"from": "2026-12-27", "to": "2026-12-24", "reason": "x"}]))
    assert place == "environments prod freezes 0 to"
    assert sentence == "the freeze ends (2026-12-25 00:00) before it begins (2026-12-27 00:00)"


def test_a_promotion_through_several_environments_must_end() -> None:
    data = changed("environments staging promotion", {"from": "prod"})
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(data)
    assert [error["msg"] for error in caught.value.errors()] == [
        "promotion goes in a circle: staging ← prod ← staging",
        "promotion goes in a circle: prod ← staging ← prod",
    ]


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(changed("environments prod aprovals", 1))
    assert caught.value.errors()[0]["type"] == "extra_forbidden"

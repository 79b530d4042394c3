"""CI and workflows on GitHub, before a deploy and again when it starts: green, failed, running, never ran, and not seen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.github import open_github
from sandbox.faults import Fault
from sandbox.github import GitHub
from tests.harness import Stage, stage

PLATFORM = "aiecommerce/platform"
DEPLOY = "/aiec deploy prod v1.2.0"
EMERGENCY = '--emergency "checkout is down"'
GATEWAY = "gateway-production"
GATE = {"workflow": "performance-tests"}


def github(bot: Stage) -> GitHub:
    return bot.world.github


@asynccontextmanager
async def with_gates(folder: Path, *gates: dict[str, Any], **settings: Any) -> AsyncIterator[Stage]:
    """A stage whose promotion has these gates, and whose section `github` these settings."""
    async with stage(folder, prod={"promotion": {"from": "staging", "healthy_for": "15m", "gates": [*gates]}}, github=settings) as bot:
        yield bot


async def test_what_github_says_stands_in_the_plan_and_the_deploy_goes_on(bot: Stage) -> None:
    await bot.engineer.says(DEPLOY)
    assert "✅ CI green (1 check) · ✅ performance-tests succeeded 1 h ago" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=2)
    assert "✅ done" in bot.last()


@pytest.mark.slow
async def test_a_version_whose_performance_tests_failed_stays_in_staging(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy staging v1.2.2")
    await bot.forward(minutes=20)
    assert bot.image("gateway", "aiecommerce-staging") == "v1.2.2"
    refused = await bot.engineer.says("/aiec deploy prod v1.2.2")
    assert "performance-tests did not succeed for v1.2.2 (" in refused
    assert "): failure, 1 h 20 min ago." in refused
    assert f"See https://github.com/{PLATFORM}/actions/runs/" in refused
    assert refused.count("❌") == 1, "the headline alone: what stands against it is said in a sentence"
    assert refused.count("performance-tests did not succeed") == 1
    assert bot.image(GATEWAY) == "v1.1.0"


@pytest.mark.slow
async def test_an_emergency_waives_it_and_the_message_shows_what_was_waived(bot: Stage) -> None:
    await bot.engineer.says(f"/aiec deploy prod v1.2.2 {EMERGENCY}")
    assert "⚠️ performance-tests did not succeed for v1.2.2" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=2)
    assert bot.image(GATEWAY) == "v1.2.2"


@pytest.mark.slow
async def test_running_the_tests_again_with_success_lets_the_version_go(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy staging v1.2.2")
    await bot.forward(minutes=20)
    github(bot).run(PLATFORM, "performance-tests", "v1.2.2", status="in_progress")
    assert "performance-tests has been running for v1.2.2" in await bot.engineer.says("/aiec deploy prod v1.2.2")
    github(bot).run(PLATFORM, "performance-tests", "v1.2.2")
    await bot.engineer.says("/aiec deploy prod v1.2.2")
    assert "✅ performance-tests succeeded 0 s ago" in bot.last()
    assert "⏸ waiting" in bot.last()


async def test_a_run_that_was_cancelled_is_no_success(bot: Stage) -> None:
    github(bot).run(PLATFORM, "performance-tests", "v1.2.0", conclusion="cancelled")
    assert "performance-tests did not succeed for v1.2.0 (" in await bot.engineer.says(DEPLOY)


async def test_a_workflow_that_never_ran_on_the_version_says_how_to_start_it(bot: Stage) -> None:
    refused = await bot.engineer.says("/aiec deploy prod v1.0.0")
    assert "performance-tests has never run for v1.0.0 (" in refused
    assert f"gh workflow run performance-tests.yml --repo {PLATFORM} --ref v1.0.0" in refused


async def test_ci_that_failed_blocks_staging_as_well_and_names_what_failed(bot: Stage) -> None:
    github(bot).run(PLATFORM, "tests", "v1.2.1", conclusion="failure")
    github(bot).status(PLATFORM, "v1.2.1", "ci/scan", "error", target_url="https://scan.example.com/7")
    refused = await bot.engineer.says("/aiec deploy staging v1.2.1")
    assert "is not green: ci/scan (error), tests (failure)." in refused
    assert "See https://scan.example.com/7. " in refused
    github(bot).run(PLATFORM, "tests", "v1.2.1")
    github(bot).status(PLATFORM, "v1.2.1", "ci/scan", "success")
    assert "✅ CI green (2 checks)" in await bot.engineer.says("/aiec deploy staging v1.2.1 --dry-run")


async def test_the_gates_own_workflow_does_not_keep_a_version_from_staging(bot: Stage) -> None:
    shown = await bot.engineer.says("/aiec deploy staging v1.2.2 --dry-run")
    assert "✅ CI green (1 check)" in shown
    assert "performance-tests" not in shown


async def test_checks_that_run_and_checks_that_were_skipped(bot: Stage) -> None:
    github(bot).check(PLATFORM, "v1.2.0", "docs", conclusion="skipped")
    github(bot).check(PLATFORM, "v1.2.0", "image scan", status="queued")
    assert "has not finished: image scan." in await bot.engineer.says(DEPLOY)
    github(bot).check(PLATFORM, "v1.2.0", "image scan")
    await bot.engineer.says(DEPLOY)
    assert "✅ CI green (3 checks)" in bot.last()


async def test_ci_that_fails_between_request_and_approval_refuses_the_operation(bot: Stage) -> None:
    await bot.engineer.says(DEPLOY)
    github(bot).run(PLATFORM, "tests", "v1.2.0", conclusion="failure")
    await bot.lead.clicks("Approve")
    assert "was refused" in bot.last()
    assert "is not green: tests (failure)" in bot.last()
    assert bot.image(GATEWAY) == "v1.1.0"


async def test_a_version_without_a_tag_is_refused_and_that_is_said_once(bot: Stage) -> None:
    github(bot).untag(PLATFORM, "v1.2.0")
    refused = await bot.engineer.says(DEPLOY)
    assert refused.count(f"{PLATFORM} has no tag v1.2.0.") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "drop"}, "CI was not seen: GitHub (127.0.0.1"),
        ({"kind": "status", "status": 502}, "does not answer the question: Bad Gateway (HTTP 502)"),
        ({"kind": "status", "status": 429, "retry_after": 90}, "asks to wait for 1 min 30 s (rate limit)"),
        ({"kind": "garbage"}, "is not what its documentation says"),
        ({"kind": "status", "status": 401}, "does not accept GITHUB_TOKEN: it is wrong, expired or revoked"),
        ({"kind": "drop", "path": "check-runs"}, "CI of v1.2.0 was not seen: GitHub"),
    ],
    ids=["down", "error", "limit", "garbage", "token", "half"],
)
async def test_what_github_does_not_say_blocks(bot: Stage, fault: dict[str, Any], said: str) -> None:
    bot.world.faults.add(Fault(system="github", **fault))
    refused = await bot.engineer.says(DEPLOY)
    assert said in refused
    assert "--emergency" in refused
    bot.world.faults.clear()
    await bot.engineer.says(DEPLOY)
    assert "⏸ waiting" in bot.last()


async def test_a_github_that_is_slow_blocks(bot: Stage) -> None:
    async with open_github(bot.sandbox.urls["github"], None, time_limit=timedelta(seconds=0.3)) as code:
        bot.bot.ports = replace(bot.ports, code=code)
        bot.world.faults.add(Fault(kind="hang", system="github"))
        assert "it does not answer in time" in await bot.engineer.says(DEPLOY)


async def test_what_was_not_seen_passes_where_the_configuration_says_so(tmp_path: Path) -> None:
    async with with_gates(tmp_path, GATE | {"when_unseen": "pass"}, when_unseen="pass") as bot:
        bot.world.faults.add(Fault(kind="drop", system="github"))
        await bot.engineer.says(DEPLOY)
        assert "⏸ waiting" in bot.last()
        assert "⚠️ CI was not seen: GitHub" in bot.last()
        assert "⚠️ performance-tests was not seen: GitHub" in bot.last()
        assert bot.last().count("it passes all the same (`when_unseen: pass`)") == 2
        bot.world.faults.clear()
        github(bot).run(PLATFORM, "performance-tests", "v1.2.0", conclusion="failure")
        await bot.lead.clicks("Approve")
        assert "was refused" in bot.last()


async def test_a_workflow_that_does_not_exist_was_seen_and_blocks_in_any_case(tmp_path: Path) -> None:
    async with with_gates(tmp_path, {"workflow": "performance", "when_unseen": "pass"}, when_unseen="pass") as bot:
        assert f"{PLATFORM} has no workflow 'performance'; did you mean `performance-tests.yml`?" in await bot.engineer.says(DEPLOY)


async def test_gates_without_a_repository_block_and_say_what_to_add(tmp_path: Path) -> None:
    async with stage(tmp_path, github=None) as bot:
        refused = await bot.engineer.says(DEPLOY)
        assert "performance-tests was not seen: no repository is configured." in refused
        assert "github: {repository: owner/name}" in refused


async def test_ci_may_be_left_out_and_gates_stay(tmp_path: Path) -> None:
    async with with_gates(tmp_path, GATE, ci=False) as bot:
        github(bot).run(PLATFORM, "tests", "v1.2.0", conclusion="failure")
        await bot.engineer.says(DEPLOY)
        assert "✅ performance-tests succeeded 1 h ago" in bot.last()
        assert "CI" not in bot.last()


async def test_check_runs_may_be_left_out(tmp_path: Path) -> None:
    async with with_gates(tmp_path, ci="workflows") as bot:
        bot.world.faults.add(Fault(kind="status", system="github", path="check-runs", status=403))
        await bot.engineer.says(DEPLOY)
        assert "✅ CI green (2 checks)" in bot.last()


async def test_a_service_may_come_from_a_repository_of_its_own_with_a_gate_of_its_own(tmp_path: Path) -> None:
    own = {"repository": "aiecommerce/gateway", "gates": [{"workflow": "contract"}]}
    async with stage(tmp_path, gateway=own) as bot:
        hub = github(bot)
        hub.add("aiecommerce/gateway")
        hub.tag("aiecommerce/gateway", "v1.2.0", annotated=1)
        for workflow, conclusion in (("build", "success"), ("performance-tests", "success"), ("contract", "failure")):
            hub.run("aiecommerce/gateway", workflow, "v1.2.0", conclusion=conclusion)
        refused = await bot.engineer.says(DEPLOY)
        assert "aiecommerce/gateway: contract did not succeed for v1.2.0" in refused
        hub.run("aiecommerce/gateway", "contract", "v1.2.0")
        await bot.engineer.says(DEPLOY)
        assert "✅ aiecommerce/gateway: CI green (1 check) · ✅ aiecommerce/gateway: performance-tests succeeded 0 s ago" in bot.last()
        assert f"✅ {PLATFORM}: CI green (1 check)" in bot.last()

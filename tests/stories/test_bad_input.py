"""What people get wrong: one clear sentence for the one who did, nothing said to others, nothing changed."""

import pytest
from sqlalchemy import update

from bot.store.tables import GroupRow
from sandbox.faults import Fault
from tests.harness import Stage

MISTAKES = {
    "an unknown command": ("/aiec depoly prod v1.2.0", "*depoly* is not a command; did you mean `deploy`?"),
    "an unknown environment": ("/aiec deploy prd v1.2.0", "*prd* is not an environment; did you mean `prod`?"),
    "an unknown service": ("/aiec deploy prod v1.2.0 --service gatway", "*gatway* is not a service that can be deployed; did you mean `gateway`?"),
    "a service that is never deployed": ("/aiec deploy prod v1.2.0 --service postgres", "*postgres* is not a service that can be deployed"),
    "an unknown version": ("/aiec deploy prod v9.9.9", "v9.9.9 does not exist in the registry"),
    "a malformed version": ("/aiec deploy prod v1.2.O", "*v1.2.O* is not a version; did you mean `v1.2.0`?"),
    "a missing quote": ('/aiec deploy prod v1.2.0 --emergency "down', "is never closed"),
    "an emergency without a reason": ("/aiec deploy prod v1.2.0 --emergency", "needs a value"),
    "an argument too many": ("/aiec deploy prod v1.2.0 now", "*now* is one argument too many"),
    "an unknown option": ("/aiec deploy prod v1.2.0 --dryrun", "did you mean `--dry-run`?"),
    "nonsense of 4,000 characters": ("/aiec " + "x" * 3990, "is not a command"),
    "emoji": ("/aiec deploy 🚀 v1.2.0", "is not an environment"),
    "right-to-left marks": ("/aiec deploy prod \u202ev1.2.0x", "is not a version"),
    "an operation that does not exist": ("/aiec show op-99", "There is no operation op-99"),
    "something that is no operation": ("/aiec approve everything", "is not an operation; they are called like `op-142`"),
    "an unlock of what is free": ("/aiec unlock prod", "Nobody holds prod"),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
async def test_a_mistake_is_told_to_who_made_it_and_to_nobody_else(bot: Stage, text: str, sentence: str) -> None:
    before = bot.world.kubernetes.get("Deployment", "aiecommerce", "gateway-production")
    assert sentence in await bot.engineer.says(text)
    assert not [message for message in bot.slack.messages("devops", "lead") if message.app]
    assert bot.world.kubernetes.get("Deployment", "aiecommerce", "gateway-production") == before


async def test_a_defect_while_deciding_is_a_denial(bot: Stage) -> None:
    await bot.engineer.says("/aiec status")
    await bot.bot.store.transaction(lambda tx: tx.session.connection().execute(update(GroupRow).values(members=5)) and None)
    assert "It cannot be decided whether you may do that, so nothing was done." in await bot.engineer.says("/aiec deploy prod v1.2.0")
    assert (await bot.events("request.denied"), await bot.events("operation.planned")) == (["engineer"], [])


async def test_who_may_not_is_denied_privately_and_recorded(bot: Stage) -> None:
    told = await bot.newcomer.says("/aiec deploy prod v1.2.0")
    assert "`deploy` in prod is not granted to you; ask @engineer" in told
    assert not [message for message in bot.slack.messages("devops", "lead") if message.app]
    assert await bot.events("request.denied") == ["newcomer"]


async def test_a_button_is_no_way_around_a_permission(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.newcomer.clicks("Approve")
    assert "not granted to you" in bot.newcomer.sees()[-1].plain
    assert "waits for one approval" in bot.last()


async def test_what_runs_already_is_said_of_one_and_of_two(bot: Stage) -> None:
    assert "gateway and ml-recommendation run v1.1.0 in prod already." in await bot.engineer.says("/aiec deploy prod v1.1.0")
    assert "gateway runs v1.1.0 in prod already." in await bot.engineer.says("/aiec deploy prod v1.1.0 --service gateway")


async def test_help_lists_what_this_person_may_do(bot: Stage) -> None:
    listed = await bot.engineer.says("/aiec help")
    assert "`/aiec deploy prod v1.2.0` bring services to a version" in listed
    assert "*Change production*" in listed
    assert "\n`/aiec help lock` lock, unlock\n" in listed
    assert "\n`/aiec help pods` pods, events, top, describe, hpa, endpoints, ingress\n" in listed
    assert "port-forward" not in listed  # which is refused to all
    assert len(listed.splitlines()) < 40
    assert "`/aiec help runbook` " not in await bot.newcomer.says("/aiec help")
    assert "/aiec deploy" not in (await bot.newcomer.says("/aiec help")).replace("/aiec help deploy", "")
    family = await bot.engineer.says("/aiec help incident")
    assert family.splitlines()[0] == "*incident*: 16 commands that you may use"
    assert "`/aiec incident ack #42` say that you are on it: paging stops" in family
    assert "*incident ack*: say that" in await bot.engineer.says("/aiec help incident ack")
    assert "`/aiec incident ack" not in await bot.newcomer.says("/aiec help incident")
    assert "`/aiec unlock prod` free an environment" in await bot.engineer.says("/aiec help lock")
    assert "did you mean `incident`?" in await bot.engineer.says("/aiec help incidnt")
    assert "Nothing of `silence` is granted to you" in await bot.newcomer.says("/aiec help silence")
    explained = await bot.engineer.says("/aiec help deploy")
    assert "`/aiec deploy <env> <version> [--service NAME]… [--emergency REASON] [--prune] [--take-ownership] [--dry-run]`" in explained.splitlines()


async def test_smart_quotes_and_escapes_of_slack_are_understood(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.1 --emergency “checkout & payments <down>”")
    assert "as an emergency (checkout & payments <down>)" in bot.last()


REGISTRY_TROUBLE = {
    "down": (Fault(kind="status", system="registry", status=503), "registry"),
    "hanging up": (Fault(kind="drop", system="registry"), "registry"),
    "slow": (Fault(kind="status", system="registry", status=429, retry_after=30), "registry"),
}


@pytest.mark.parametrize(("fault", "word"), REGISTRY_TROUBLE.values(), ids=REGISTRY_TROUBLE.keys())
async def test_a_registry_in_trouble_blocks_and_says_so(bot: Stage, fault: Fault, word: str) -> None:
    bot.world.faults.add(fault)
    told = await bot.engineer.says("/aiec deploy prod v1.2.0")
    assert "Refused" in told
    assert word in told
    assert not [message for message in bot.slack.messages("devops", "lead") if message.app]


async def test_an_expired_token_of_the_cluster_is_said_as_that(bot: Stage) -> None:
    name = bot.world.faults.add(Fault(kind="status", system="kubernetes", status=401))
    told = await bot.engineer.says("/aiec deploy prod v1.2.0")
    assert "The cluster of prod" in told
    assert "does not accept our credentials" in told
    assert "renew the credentials of this context in KUBECONFIG, or the service account" in told
    assert not [message for message in bot.slack.messages("devops", "lead") if message.app]
    bot.world.faults.clear(name)
    assert "No operations" in await bot.engineer.says("/aiec operations")

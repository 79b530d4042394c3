"""The Web API's methods refuse what Slack refuses, with Slack's codes."""

from __future__ import annotations

import pytest

from sandbox.clock import Clock
from sandbox.slack import Message
from tests.unit.sandbox.slack.conftest import Slack


def test_tokens_are_checked_before_anything_else(slack: Slack) -> None:
    assert slack.call("auth.test", {}, None).body == {"ok": False, "error": "not_authed"}
    assert slack.call("auth.test", {}, "xoxb-other").body["error"] == "invalid_auth"
    assert slack.call("auth.test", {}, slack.app.app_token).body["error"] == "not_allowed_token_type"
    assert slack.call("auth.test", {"token": slack.app.token}, None).ok
    slack.revoke()
    assert slack.error("chat.postMessage", channel="nonsense") == "token_revoked"


def test_auth_test_says_who_the_bot_is_and_what_it_may(slack: Slack) -> None:
    answer = slack.api("auth.test")
    assert answer.body["user_id"] == "U0BOT"
    assert answer.body["bot_id"] == "B0APP"
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


def test_a_missing_scope_is_named(slack: Slack) -> None:
    slack.app.scopes.remove("channels:manage")
    body = slack.api("conversations.create", name="new").body
    assert (body["error"], body["needed"]) == ("missing_scope", "channels:manage")
    assert body["provided"].split(",") == slack.app.scopes
    assert slack.api("conversations.create", name="new", is_private=True).ok


def test_an_unknown_method_is_said_to_be_one(slack: Slack) -> None:
    assert slack.error("chat.shout", channel="x") == "unknown_method"


def test_a_message_is_posted_and_read_back_with_its_metadata(slack: Slack) -> None:
    metadata = {"event_type": "deploy", "event_payload": {"id": "op-1"}}
    posted = slack.api("chat.postMessage", channel="#devops", text="*hello*", metadata=metadata).body
    channel = slack.channel("devops").id
    assert posted["channel"] == channel
    history = slack.api("conversations.history", channel=channel, include_all_metadata=True).body["messages"]
    assert [(message["ts"], message["text"], message["metadata"]) for message in history] == [(posted["ts"], "*hello*", metadata)]
    assert "metadata" not in slack.api("conversations.history", channel=channel).body["messages"][0]


def test_timestamps_are_unique_in_a_channel_and_come_from_the_clock(slack: Slack, clock: Clock) -> None:
    first, second = (slack.api("chat.postMessage", channel="#devops", text="x").body["ts"] for _ in range(2))
    clock.advance(1.5)
    third = slack.api("chat.postMessage", channel="#devops", text="x").body["ts"]
    assert (first, second, third) == ("1777809600.000000", "1777809600.000001", "1777809601.500000")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "C0NONE", "text": "x"}, "channel_not_found"),
        ({"channel": "#secret", "text": "x"}, "channel_not_found"),
        ({"channel": "#random", "text": "x"}, "not_in_channel"),
        ({"channel": "#devops"}, "no_text"),
        ({"channel": "#devops", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "#devops", "text": "x", "metadata": {"event_type": "t"}}, "invalid_metadata_format"),
        ({"channel": "#devops", "text": "x", "metadata": {"event_type": "t", "event_payload": {"a": "x" * 9000}}}, "metadata_too_large"),
        ({"channel": "#devops", "text": "x", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"channel": "#devops", "text": "x", "username": "boss"}, "missing_scope"),
        ({"text": "x"}, "invalid_arguments"),
    ],
)
def test_chat_post_message_refuses(slack: Slack, arguments: dict[str, object], error: str) -> None:
    assert slack.error("chat.postMessage", **arguments) == error
    assert all(not channel.messages for channel in slack.channels.values())


def test_a_public_channel_can_be_written_to_from_outside_with_its_scope(slack: Slack) -> None:
    slack.app.scopes.append("chat:write.public")
    assert slack.api("chat.postMessage", channel="#random", text="x").ok


def test_an_archived_channel_takes_no_messages(slack: Slack) -> None:
    channel = slack.channel("devops")
    ts = slack.api("chat.postMessage", channel=channel.id, text="x").body["ts"]
    assert slack.api("conversations.archive", channel=channel.id).ok
    assert slack.error("chat.postMessage", channel=channel.id, text="x") == "is_archived"
    assert slack.error("chat.update", channel=channel.id, ts=ts, text="y") == "is_inactive"
    assert slack.error("conversations.archive", channel=channel.id) == "already_archived"
    assert slack.error("conversations.create", name="devops") == "name_taken"


def test_a_message_to_a_user_arrives_in_direct_messages(slack: Slack) -> None:
    channel = slack.api("chat.postMessage", channel="U0LEAD", text="you are paged").body["channel"]
    assert channel == slack.api("conversations.open", users="U0LEAD").body["channel"]["id"]
    assert [message.text for message in slack.messages("@lead")] == ["you are paged"]


def test_an_update_replaces_and_keeps_what_it_does_not_name(slack: Slack) -> None:
    channel = slack.channel("devops").id
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "one"}}]
    ts = slack.api("chat.postMessage", channel=channel, text="one", blocks=blocks, metadata={"event_type": "t", "event_payload": {}}).body["ts"]
    slack.api("chat.update", channel=channel, ts=ts, blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "two"}}])
    (message,) = slack.messages("devops")
    assert (message.plain, message.metadata) == ("two", {"event_type": "t", "event_payload": {}})
    assert slack.api("conversations.history", channel=channel).body["messages"][0]["edited"]["user"] == "U0BOT"


def test_updates_and_deletions_are_refused_for_what_is_not_ours(slack: Slack) -> None:
    channel = slack.channel("devops")
    theirs = slack.post(channel, Message(channel.id, slack.next_ts(channel), "U0LEAD", "theirs"))
    assert slack.error("chat.update", channel=channel.id, ts=theirs.ts, text="x") == "cant_update_message"
    assert slack.error("chat.delete", channel=channel.id, ts=theirs.ts) == "cant_delete_message"
    assert slack.error("chat.update", channel=channel.id, ts="1.000000", text="x") == "message_not_found"
    ours = slack.api("chat.postMessage", channel=channel.id, text="x").body["ts"]
    assert slack.error("chat.update", channel=channel.id, ts=ours, text="x" * 4001) == "msg_too_long"
    assert slack.api("chat.delete", channel=channel.id, ts=ours).ok
    assert slack.error("chat.delete", channel=channel.id, ts=ours) == "message_not_found"


def test_an_ephemeral_message_is_seen_by_one_and_kept_nowhere(slack: Slack) -> None:
    channel = slack.channel("devops").id
    assert slack.error("chat.postEphemeral", channel=channel, user="U0NOBODY", text="x") == "user_not_in_channel"
    ts = slack.api("chat.postEphemeral", channel=channel, user="U0ENGINEER", text="only you").body["message_ts"]
    assert [message.text for message in slack.messages("devops", "engineer")] == ["only you"]
    assert slack.messages("devops", "lead") == []
    assert slack.api("conversations.history", channel=channel).body["messages"] == []
    assert slack.error("chat.update", channel=channel, ts=ts, text="x") == "message_not_found"


def test_threads_hold_replies_and_history_shows_parents(slack: Slack) -> None:
    channel = slack.channel("devops").id
    parent = slack.api("chat.postMessage", channel=channel, text="parent").body["ts"]
    reply = slack.api("chat.postMessage", channel=channel, text="reply", thread_ts=parent).body["ts"]
    loud = slack.api("chat.postMessage", channel=channel, text="loud", thread_ts=reply, reply_broadcast=True).body
    assert loud["message"]["thread_ts"] == parent
    history = slack.api("conversations.history", channel=channel).body["messages"]
    assert [message["text"] for message in history] == ["loud", "parent"]
    assert history[1]["reply_count"] == 2
    replies = slack.api("conversations.replies", channel=channel, ts=parent).body["messages"]
    assert [message["text"] for message in replies] == ["parent", "reply", "loud"]
    assert [message.text for message in slack.thread(slack.messages("devops")[0])] == ["reply", "loud"]
    assert slack.error("conversations.replies", channel=channel, ts="1.0") == "thread_not_found"
    link = slack.api("chat.getPermalink", channel=channel, message_ts=reply).body["permalink"]
    assert link.endswith(f"/archives/{channel}/p{reply.replace('.', '')}?thread_ts={parent}&cid={channel}")


def test_history_comes_in_pages_and_between_two_times(slack: Slack, clock: Clock) -> None:
    channel = slack.channel("devops").id
    stamps = []
    for number in range(5):
        stamps.append(slack.api("chat.postMessage", channel=channel, text=str(number)).body["ts"])
        clock.advance(1)
    first = slack.api("conversations.history", channel=channel, limit=2).body
    assert [message["text"] for message in first["messages"]] == ["4", "3"]
    assert first["has_more"] is True
    second = slack.api("conversations.history", channel=channel, limit=2, cursor=first["response_metadata"]["next_cursor"]).body
    assert [message["text"] for message in second["messages"]] == ["2", "1"]
    between = slack.api("conversations.history", channel=channel, oldest=stamps[1], latest=stamps[3]).body["messages"]
    assert [message["text"] for message in between] == ["2"]
    inclusive = slack.api("conversations.history", channel=channel, oldest=stamps[1], latest=stamps[3], inclusive=True).body["messages"]
    assert [message["text"] for message in inclusive] == ["3", "2", "1"]
    assert slack.error("conversations.history", channel=channel, oldest="yesterday") == "invalid_ts_oldest"
    assert slack.error("conversations.history", channel=channel, cursor="???") == "invalid_cursor"
    assert slack.error("conversations.history", channel=slack.channel("random").id) == "not_in_channel"


@pytest.mark.parametrize(
    ("name", "error"),
    [("Devops", "invalid_name_specials"), ("a b", "invalid_name_specials"), ("x" * 81, "invalid_name_maxlength"), ("---", "invalid_name_punctuation")],
)
def test_channel_names_are_checked(slack: Slack, name: str, error: str) -> None:
    assert slack.error("conversations.create", name=name) == error


def test_a_channel_is_created_filled_and_renamed(slack: Slack) -> None:
    made = slack.api("conversations.create", name="inc-42").body["channel"]
    assert slack.error("conversations.create", name="inc-42") == "name_taken"
    assert slack.api("conversations.invite", channel=made["id"], users="U0LEAD,U0ENGINEER").ok
    assert slack.error("conversations.invite", channel=made["id"], users="U0LEAD") == "already_in_channel"
    assert slack.error("conversations.invite", channel=made["id"], users="U0NOBODY") == "user_not_found"
    assert slack.error("conversations.invite", channel=made["id"], users="U0BOT") == "cant_invite_self"
    assert slack.api("conversations.members", channel=made["id"]).body["members"] == ["U0BOT", "U0LEAD", "U0ENGINEER"]
    assert slack.api("conversations.setTopic", channel=made["id"], topic="SEV1").body["channel"]["topic"]["value"] == "SEV1"
    assert slack.error("conversations.setTopic", channel=made["id"], topic="x" * 251) == "too_long"
    assert slack.api("conversations.rename", channel=made["id"], name="inc-42-closed").body["channel"]["name"] == "inc-42-closed"


def test_a_public_channel_is_joined_and_a_private_one_is_not_there(slack: Slack) -> None:
    random = slack.channel("random").id
    assert slack.api("conversations.join", channel=random).body["channel"]["is_member"] is True
    assert slack.api("conversations.join", channel=random).body["warning"] == "already_in_channel"
    assert slack.error("conversations.join", channel=slack.channel("secret").id) == "channel_not_found"
    listed = slack.api("conversations.list", types="public_channel,private_channel").body["channels"]
    assert [channel["name"] for channel in listed] == ["devops", "random"]
    assert slack.error("conversations.list", types="everything") == "invalid_types"


def test_people_and_groups_are_found(slack: Slack) -> None:
    assert slack.api("users.info", user="U0LEAD").body["user"]["name"] == "lead"
    assert slack.error("users.info", user="lead") == "user_not_found"
    assert slack.api("users.lookupByEmail", email="Leo@Example.com").body["user"]["id"] == "U0LEAD"
    assert slack.error("users.lookupByEmail", email="x@example.com") == "users_not_found"
    assert [group["handle"] for group in slack.api("usergroups.list", include_users=True).body["usergroups"]] == ["devops-team"]
    assert slack.api("usergroups.users.list", usergroup="S0DEVOPS").body["users"] == ["U0ENGINEER", "U0LEAD"]
    assert slack.error("usergroups.users.list", usergroup="S0NONE") == "no_such_subteam"
    assert {user["name"] for user in slack.api("users.list").body["members"]} == {"engineer", "lead", "bot", "slackbot"}
    assert slack.api("team.info").body["team"]["id"] == slack.team["id"]


def test_reactions_pins_and_bookmarks(slack: Slack) -> None:
    channel = slack.channel("devops").id
    at = {"channel": channel, "timestamp": slack.api("chat.postMessage", channel=channel, text="x").body["ts"]}
    assert slack.api("reactions.add", name="eyes", **at).ok
    assert slack.error("reactions.add", name="eyes", **at) == "already_reacted"
    assert slack.api("reactions.get", **at).body["message"]["reactions"] == [{"name": "eyes", "users": ["U0BOT"], "count": 1}]
    assert slack.api("reactions.remove", name="eyes", **at).ok
    assert slack.error("reactions.remove", name="eyes", **at) == "no_reaction"
    assert slack.api("pins.add", **at).ok
    assert slack.error("pins.add", **at) == "already_pinned"
    bookmark = {"channel_id": channel, "title": "Runbook", "type": "link", "link": "https://example.com"}
    assert slack.api("bookmarks.add", **bookmark).body["bookmark"]["title"] == "Runbook"
    assert slack.error("bookmarks.add", **(bookmark | {"type": "folder"})) == "invalid_bookmark_type"


def test_a_tier_refuses_with_the_seconds_to_wait_and_opens_again(slack: Slack, clock: Clock) -> None:
    assert all(slack.api("conversations.create", name=f"c-{number}").ok for number in range(20))
    refused = slack.api("conversations.create", name="c-20")
    assert (refused.status, refused.headers["Retry-After"], refused.body["error"]) == (429, "3", "ratelimited")
    assert slack.named("c-20") is None
    clock.advance(3)
    assert slack.api("conversations.create", name="c-20").ok


def test_messages_are_limited_in_each_channel_by_itself(slack: Slack) -> None:
    slack.app.scopes.append("chat:write.public")
    answers = [slack.api("chat.postMessage", channel="#devops", text="x").status for _ in range(11)]
    assert answers == [200] * 10 + [429]
    assert slack.api("chat.postMessage", channel="#random", text="x").status == 200
    slack.limits.on = False
    assert slack.api("chat.postMessage", channel="#devops", text="x").status == 200


def test_slack_down_answers_503(slack: Slack) -> None:
    slack.down = True
    assert slack.api("auth.test").status == 503

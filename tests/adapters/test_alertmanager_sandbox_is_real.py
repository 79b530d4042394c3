"""The sandbox's Alertmanager does as a real one does: the same requests and stories on both (the real one where TEST_ALERTMANAGER names the program)."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.alertmanager import Receiver
from tests.adapters.alertmanagers import TOKEN, Json, Place, in_sandbox, real, until

QUICK = Receiver(name="web.hook", group_wait=0.4, group_interval=1.5, repeat_interval=3600.0)
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
UNREADABLE = 'parsing alerts body from "" failed, because '
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(params=["sandbox", "real"])
async def start(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts an Alertmanager: `await start(max_alerts=2)`."""
    program = os.environ.get("TEST_ALERTMANAGER")
    if request.param == "real" and not program:
        pytest.skip("TEST_ALERTMANAGER names no Alertmanager")
    async with AsyncExitStack() as stack:

        async def started(**changes: Any) -> Place:
            receiver = QUICK.model_copy(update=changes)
            if request.param == "sandbox":
                return await stack.enter_async_context(in_sandbox(receiver))
            return await stack.enter_async_context(real(program or "", tmp_path, receiver))

        yield started


async def ask(place: Place, method: str, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=place.url, timeout=10) as client:
        return await client.request(method, f"/api/v2{path}", **options)


async def get(place: Place, path: str, **parameters: Any) -> Any:
    return (await ask(place, "GET", path, params=parameters)).json()


async def post(place: Place, *alerts: Json) -> None:
    assert (await ask(place, "POST", "/alerts", json=[*alerts])).status_code == 200


def alert(name: str, annotations: dict[str, str] | None = None, times: Json | None = None, **labels: str) -> Json:
    return {"labels": {"alertname": name, **labels}, "annotations": annotations or {}, **(times or {})}


def ended(place: Place) -> Json:
    return {"endsAt": place.now().isoformat()}


async def silence(place: Place, seconds: float, *matchers: tuple[str, str], **changes: Any) -> httpx.Response:
    now = place.now()
    body = {
        "matchers": [{"name": name, "value": value, "isRegex": False} for name, value in matchers],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(seconds=seconds)).isoformat(),
        "createdBy": "ana",
        "comment": "known",
    }
    return await ask(place, "POST", "/silences", json={key: value for key, value in {**body, **changes}.items() if value is not None})


# ---- what the API says


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ([], 200, None),
        (
            {},
            400,
            {"code": 400, "message": UNREADABLE + "json: cannot unmarshal object into Go value of type models.PostableAlerts"},
        ),
        ([{}], 422, {"code": 602, "message": "0.labels in body is required"}),
        ([{"labels": {"a": "1"}}, {"labels": None}], 422, {"code": 602, "message": "1.labels in body is required"}),
        ([{"labels": {}}], 400, "at least one label pair required"),
        ([{"labels": {"a": ""}}], 400, "at least one label pair required"),
        ([{"labels": {"1a": "x"}}], 400, 'invalid label set: invalid name "1a"'),
        ([{"labels": {"b-": "1"}}, {"labels": {"c-": "1"}}], 400, 'invalid label set: invalid name "b-"; invalid label set: invalid name "c-"'),
        ([{"labels": {"a": "1"}, "annotations": {"b-c": "x"}}], 400, 'invalid annotations: invalid name "b-c"'),
        (
            [{"labels": {"a": 1}}],
            400,
            {
                "code": 400,
                "message": 'parsing alerts body from "" failed, because json: cannot unmarshal number into Go struct field Alert.labels of type string',
            },
        ),
        ([{"labels": {"a": "1"}, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"}], 400, "start time must be before end time"),
        (
            [{"labels": {"a": "1"}, "startsAt": "nonsense"}],
            400,
            {
                "code": 400,
                "message": UNREADABLE + 'parsing time "nonsense" as "2006-01-02 15:04:05": cannot parse "nonsense" as "2006"',
            },
        ),
        ([{"labels": {"a": "1"}, "generatorURL": "::x"}], 422, {"code": 601, "message": '0.generatorURL in body must be of type uri: "::x"'}),
    ],
)
async def test_alerts_are_refused_in_its_words(start: Any, body: Any, status: int, says: Any) -> None:
    answer = await ask(await start(), "POST", "/alerts", json=body)
    assert (answer.status_code, answer.json() if answer.content else None) == (status, says)


async def test_what_is_no_request_is_refused_in_its_words(start: Any) -> None:
    place = await start()
    unreadable = await ask(place, "POST", "/alerts", content=b"xx", headers={"content-type": "application/json"})
    assert (unreadable.status_code, unreadable.json()["message"]) == (
        400,
        UNREADABLE + "invalid character 'x' looking for beginning of value",
    )
    assert (await ask(place, "POST", "/alerts")).json() == {"code": 602, "message": "alerts in body is required"}
    form = await ask(place, "POST", "/alerts", data={"a": "b"})
    assert (form.status_code, form.json()["message"]) == (
        415,
        'unsupported media type "application/x-www-form-urlencoded", only [application/json] are allowed',
    )
    put = await ask(place, "PUT", "/alerts", json=[])
    assert (put.status_code, put.json()["code"]) == (405, 405)
    assert put.json()["message"] in [
        f"method PUT is not allowed, but [{methods}] are" for methods in ("GET,POST", "POST,GET")
    ]  # the real one's order is chance
    assert (await ask(place, "GET", "/nothing")).json() == {"code": 404, "message": "path /api/v2/nothing was not found"}
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{place.url}/-/ready")).text == "OK"
    assert await get(place, "/receivers") == [{"name": "web.hook"}]
    assert (await get(place, "/status")).keys() == {"cluster", "config", "uptime", "versionInfo"}


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"filter": "zz"}, "bad matcher format: zz"),
        ({"filter": 'a="A'}, 'matcher value contains unescaped double quote: "A'),
        ({"filter": 'a=~"("'}, "error parsing regexp: missing closing ): `^(?:()$`"),
        ({"filter": 'a=~"*"'}, "error parsing regexp: missing argument to repetition operator: `*`"),
        ({"receiver": "("}, "failed to parse receiver param: error parsing regexp: missing closing ): `^(?:()$`"),
    ],
)
async def test_a_wrong_filter_is_refused_in_its_words(start: Any, parameters: dict[str, str], says: str) -> None:
    answer = await ask(await start(), "GET", "/alerts", params=parameters)
    assert (answer.status_code, answer.json()) == (400, says)


async def test_alerts_are_listed_filtered_and_grouped(start: Any) -> None:
    place = await start()
    await post(place, alert("A", {"summary": '<é & "q">'}, {"generatorURL": "http://x/y"}, service="s", empty=""), alert("B", service="s", path='a"\\b'))
    await post(place, {"labels": {"ok": "1"}})
    listed = await get(place, "/alerts")
    assert [one["fingerprint"] for one in listed] == sorted(one["fingerprint"] for one in listed)
    first = next(one for one in listed if one["labels"]["alertname"] == "A") if listed else {}
    assert [*first] == ["annotations", "endsAt", "fingerprint", "receivers", "startsAt", "status", "updatedAt", "generatorURL", "labels"]
    assert first["fingerprint"] == "8770e5311edb2ab1"
    assert first["labels"] == {"alertname": "A", "service": "s"}
    assert first["status"] == {"inhibitedBy": [], "silencedBy": [], "state": "active"}
    assert all(re.fullmatch(TIME, first[name]) for name in ("startsAt", "endsAt", "updatedAt"))

    async def names(**parameters: Any) -> list[str]:
        return sorted(one["labels"].get("alertname", "") for one in await get(place, "/alerts", **parameters))

    assert await names() == ["", "A", "B"]
    assert await names(filter="alertname=A") == ["A"]
    assert await names(filter=['service="s"', 'alertname!="A"']) == ["B"]
    assert await names(filter='alertname=~"A|B"') == ["A", "B"]
    assert await names(filter='alertname!~".+"') == [""]
    assert await names(filter=r'path="a\"\\b"') == ["B"]
    assert await names(active="false") == []
    assert await names(receiver="web") == []
    assert await names(receiver="web.*") == ["", "A", "B"]
    groups = await get(place, "/alerts/groups")
    assert [(one["labels"], one["receiver"], len(one["alerts"])) for one in groups] == [
        ({}, {"name": "web.hook"}, 1),
        ({"alertname": "A", "service": "s"}, {"name": "web.hook"}, 1),
        ({"alertname": "B", "service": "s"}, {"name": "web.hook"}, 1),
    ]


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"comment": None}, 422, {"code": 602, "message": "comment in body is required"}),
        ({"createdBy": None}, 422, {"code": 602, "message": "createdBy in body is required"}),
        ({"startsAt": None}, 422, {"code": 602, "message": "startsAt in body is required"}),
        ({"matchers": []}, 422, {"code": 612, "message": "matchers in body should have at least 1 items"}),
        ({"matchers": [{"name": "a", "value": "b"}]}, 422, {"code": 602, "message": "matchers.0.isRegex in body is required"}),
        ({"startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-02T00:00:00Z"}, 400, "Failed to create silence: end time can't be in the past"),
        ({"startsAt": "2099-01-01T00:00:00Z", "endsAt": "2098-01-02T00:00:00Z"}, 400, "Failed to create silence: start time must be before end time"),
        ({"matchers": [{"name": "a", "value": "", "isRegex": False}]}, 400, "silence invalid: at least one matcher must not match the empty string"),
        ({"matchers": [{"name": "1-a", "value": "b", "isRegex": False}]}, 400, 'silence invalid: invalid label matcher 0: invalid label name "1-a"'),
        (
            {"matchers": [{"name": "a", "value": "(", "isRegex": True}]},
            400,
            'silence invalid: invalid label matcher 0: invalid regular expression "(": error parsing regexp: missing closing ): `(`',
        ),
        ({"id": "nope"}, 404, "silence not found"),
    ],
)
async def test_silences_are_refused_in_its_words(start: Any, changes: Json, status: int, says: Any) -> None:
    answer = await silence(await start(), 3600, ("a", "b"), **changes)
    assert (answer.status_code, answer.json()) == (status, says)


async def test_a_silence_is_made_changed_replaced_and_ended(start: Any) -> None:
    place = await start()
    await post(place, alert("A"), alert("B"))
    made = (await silence(place, 3600, ("alertname", "A"))).json()["silenceID"]
    assert re.fullmatch(UUID, made)
    shown = await get(place, f"/silence/{made}")
    assert [*shown] == ["id", "status", "updatedAt", "comment", "createdBy", "endsAt", "matchers", "startsAt"]
    assert shown["status"] == {"state": "active"}
    assert shown["matchers"] == [{"isEqual": True, "isRegex": False, "name": "alertname", "value": "A"}]
    assert [one["labels"]["alertname"] for one in await get(place, "/alerts", silenced="false")] == ["B"]
    muted = (await get(place, "/alerts", filter="alertname=A"))[0]
    assert muted["status"] == {"inhibitedBy": [], "silencedBy": [made], "state": "suppressed"}
    longer = (place.now() + timedelta(seconds=7200)).isoformat()
    same = await silence(place, 0, ("alertname", "A"), id=made, startsAt=shown["startsAt"], endsAt=longer)
    assert same.json() == {"silenceID": made}
    other = (await silence(place, 3600, ("alertname", "B"), id=made, startsAt=shown["startsAt"])).json()["silenceID"]
    assert other != made
    assert [(one["id"], one["status"]["state"]) for one in await get(place, "/silences")] == [(other, "active"), (made, "expired")]
    assert [one["id"] for one in await get(place, "/silences", filter="alertname=B")] == [other]
    assert await get(place, "/silences", filter="alertname=~B") == []
    for _ in range(2):
        assert (await ask(place, "DELETE", f"/silence/{other}")).status_code == 200
    assert (await get(place, f"/silence/{other}"))["status"] == {"state": "expired"}
    assert (await ask(place, "GET", f"/silence/{NOBODY}")).status_code == 404
    gone = await ask(place, "DELETE", f"/silence/{NOBODY}")
    assert (gone.status_code, gone.json()) == (500, "silence not found")
    assert (await get(place, "/silence/xyz")) == {"code": 601, "message": 'silenceID in path must be of type uuid: "xyz"'}


# ---- what the receiver is told


async def test_a_group_is_told_of_once_and_when_it_changes_and_ends(start: Any) -> None:
    place = await start()
    url = {"generatorURL": "http://p/graph?g0.expr=up&g0.tab=1"}
    await post(place, alert("A", {"summary": '<é & "q">', "why": "x"}, url, service="s", pod="b"), alert("A", {"why": "x"}, url, service="s", pod="a", job="j"))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)
    headers, payload = place.inbox.requests[0]
    assert (headers["authorization"], headers["content-type"]) == (f"Bearer {TOKEN}", "application/json")
    assert re.fullmatch(r"Alertmanager/\d+\.\d+\.\d+", headers["user-agent"])
    assert rb'"summary":"\u003c\xc3\xa9 \u0026 \"q\"\u003e"'.replace(b"\\xc3\\xa9", "é".encode()) in place.inbox.bodies[0]
    assert place.inbox.bodies[0].endswith(b"}\n")
    assert [*payload] == [
        "receiver", "status", "alerts", "groupLabels", "commonLabels", "commonAnnotations", "externalURL", "version", "groupKey", "truncatedAlerts",
    ]  # fmt: skip
    assert [*payload["alerts"][0]] == ["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"]
    assert [one["labels"]["pod"] for one in payload["alerts"]] == ["a", "b"]
    assert payload["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"
    assert {key: payload[key] for key in [*payload] if key != "alerts"} == {
        "receiver": "web\\.hook",
        "status": "firing",
        "groupLabels": {"alertname": "A", "service": "s"},
        "commonLabels": {"alertname": "A", "service": "s"},
        "commonAnnotations": {"why": "x"},
        "externalURL": place.url,
        "version": "4",
        "groupKey": '{}:{alertname="A", service="s"}',
        "truncatedAlerts": 0,
    }
    await post(place, alert("A", service="s", pod="c"))
    await until(place, lambda: len(place.inbox.payloads) == 2, 5)
    assert len(place.inbox.payloads[1]["alerts"]) == 3
    await post(place, alert("A", times=ended(place), service="s", pod="c"))
    await until(place, lambda: len(place.inbox.payloads) == 3, 5)
    assert sorted(place.inbox.names()[2]) == ["A:firing", "A:firing", "A:resolved"]
    await post(place, alert("A", times=ended(place), service="s", pod="b"), alert("A", times=ended(place), service="s", pod="a", job="j"))
    await until(place, lambda: len(place.inbox.payloads) == 4, 5)
    assert place.inbox.payloads[3]["status"] == "resolved"
    assert place.inbox.names()[3] == ["A:resolved", "A:resolved"]
    await place.passes(4)
    assert len(place.inbox.payloads) == 4


@pytest.mark.parametrize(("group_by", "keys"), [((), ["{}:{}"]), (("...",), [f'{{}}:{{alertname="A", x="{x}"}}' for x in ("1", '2\\"')])])
async def test_groups_are_named_by_their_labels(start: Any, group_by: tuple[str, ...], keys: list[str]) -> None:
    place = await start(group_by=group_by)
    await post(place, alert("A", x="1"), alert("A", x='2"'))
    await until(place, lambda: len(place.inbox.payloads) == len(keys), 5)
    assert sorted(one["groupKey"] for one in place.inbox.payloads) == keys


async def test_too_many_alerts_are_cut_and_counted(start: Any) -> None:
    place = await start(max_alerts=2)
    await post(place, *(alert("A", pod=str(number), same="x" if number < 3 else "y") for number in (5, 1, 4, 2, 3)))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)
    payload = place.inbox.payloads[0]
    assert [one["labels"]["pod"] for one in payload["alerts"]] == ["1", "2"]
    assert payload["truncatedAlerts"] == 3
    assert payload["commonLabels"] == {"alertname": "A", "same": "x"}
    assert len(await get(place, "/alerts")) == 5


async def test_who_does_not_want_to_hear_of_the_end_does_not(start: Any) -> None:
    place = await start(send_resolved=False)
    await post(place, alert("A", pod="1"), alert("A", pod="2"))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)
    await post(place, alert("A", times=ended(place), pod="1"), alert("A", pod="3"))
    await until(place, lambda: len(place.inbox.payloads) == 2, 5)
    assert place.inbox.names()[1] == ["A:firing", "A:firing"]
    await post(place, alert("A", times=ended(place), pod="2"), alert("A", times=ended(place), pod="3"))
    await place.passes(4)
    assert len(place.inbox.payloads) == 2


async def test_what_is_not_told_again_ends_by_itself(start: Any) -> None:
    place = await start(resolve_timeout=2.0)
    await post(place, alert("A"))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)
    await until(place, lambda: len(place.inbox.payloads) == 2, 8)
    assert place.inbox.names() == [["A:firing"], ["A:resolved"]]
    assert await get(place, "/alerts") == []
    await post(place, alert("A"))
    await until(place, lambda: len(place.inbox.payloads) == 3, 5)
    assert place.inbox.payloads[2]["alerts"][0]["startsAt"] > place.inbox.payloads[1]["alerts"][0]["endsAt"]


async def test_nothing_new_is_repeated_after_the_repeat_interval(start: Any) -> None:
    place = await start(repeat_interval=4.0)
    await post(place, alert("A"))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)
    await place.passes(2.5)
    assert len(place.inbox.payloads) == 1
    await until(place, lambda: len(place.inbox.payloads) == 2, 5)
    assert place.inbox.bodies[0] == place.inbox.bodies[1]


async def test_an_alert_that_fires_for_long_does_not_wait(start: Any) -> None:
    place = await start(group_wait=3600.0)
    await post(place, alert("A", times={"startsAt": (place.now() - timedelta(hours=2)).isoformat()}))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)


async def test_silenced_alerts_are_not_told_of_until_the_silence_ends(start: Any) -> None:
    place = await start()
    await silence(place, 4, ("pod", "1"))
    await post(place, alert("A", pod="1"), alert("A", pod="2"))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)
    assert [one["labels"]["pod"] for one in place.inbox.payloads[0]["alerts"]] == ["2"]
    await until(place, lambda: len(place.inbox.payloads) == 2, 8)
    assert [one["labels"]["pod"] for one in place.inbox.payloads[1]["alerts"]] == ["1", "2"]


async def test_an_alert_that_ends_while_silenced_ends_in_silence(start: Any) -> None:
    place = await start()
    await post(place, alert("A"))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)
    made = (await silence(place, 3600, ("alertname", "A"))).json()["silenceID"]
    await post(place, alert("A", times=ended(place)))
    await place.passes(3.5)
    await ask(place, "DELETE", f"/silence/{made}")
    await place.passes(3.5)
    assert place.inbox.names() == [["A:firing"]]


@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_error_is_tried_again_soon(start: Any, status: int) -> None:
    place = await start(group_interval=3600.0)
    place.inbox.statuses = [status, status, 200]
    await post(place, alert("A"))
    await until(place, lambda: len(place.inbox.payloads) == 3, 8)
    await place.passes(3)
    assert len(place.inbox.payloads) == 3
    assert place.inbox.bodies[0] == place.inbox.bodies[2]


@pytest.mark.parametrize("status", [400, 401, 404, 429])
async def test_a_refusal_is_dropped_until_the_group_is_looked_at_again(start: Any, status: int) -> None:
    place = await start(group_interval=6.0)
    place.inbox.statuses = [status]
    await post(place, alert("A"))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)
    await place.passes(4.5)
    assert len(place.inbox.payloads) == 1
    await until(place, lambda: len(place.inbox.payloads) == 2, 4)
    assert place.inbox.names() == [["A:firing"], ["A:firing"]]


async def test_an_end_whose_notification_is_refused_is_told_later(start: Any) -> None:
    place = await start()
    await post(place, alert("A"))
    await until(place, lambda: len(place.inbox.payloads) == 1, 5)
    place.inbox.statuses = [400]
    await post(place, alert("A", times=ended(place)))
    await until(place, lambda: len(place.inbox.payloads) == 3, 8)
    assert place.inbox.names() == [["A:firing"], ["A:resolved"], ["A:resolved"]]

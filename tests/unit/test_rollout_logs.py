"""The line of a log that says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.failures.finding import LogRequest
from bot.core.failures.logs import missing_variable, telling_line, with_logs
from bot.core.outcome import Failed
from tests.unit.kubernetes_objects import IMAGE, deployment, replicaset, template

PYTHON = """level=info msg="starting" version=v1.2.0
Traceback (most recent call last):
  File "/app/main.py", line 12, in <module>
    url = os.environ["PAYMENTS_URL"]
KeyError: 'PAYMENTS_URL'
"""
CHAINED = """Traceback (most recent call last):
psycopg.errors.OperationalError: connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
app.errors.StartupError: no database
Shutting down.
"""
JAVA = """INFO starting
Exception in thread "main" java.lang.IllegalStateException: cannot start
\tat com.example.Main.main(Main.java:10)
Caused by: java.net.ConnectException: Connection refused
\tat java.base/java.net.Socket.connect(Socket.java:633)
\t... 3 more
"""
GO = """2026/11/01 03:12:00 listening
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a2f1c]

goroutine 1 [running]:
main.main()
"""
NODE = """/app/server.js:10
    throw new Error("PAYMENTS_URL is not set")
    ^

Error: PAYMENTS_URL is not set
    at Object.<anonymous> (/app/server.js:10:11)

Node.js v22.1.0
"""
RUST = """INFO starting
thread 'main' panicked at src/main.rs:4:38:
environment variable PAYMENTS_URL must be set
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
RUBY = """app.rb:3:in 'Hash#fetch': key not found: "PAYMENTS_URL" (KeyError)
\tfrom app.rb:3:in '<main>'
"""
STRUCTURED = """level=info msg="starting"
level=fatal msg="cannot reach the database" host=postgres
level=info msg="bye"
"""
JSON_LINES = '{"level":"info","msg":"starting"}\n{"level":"error","msg":"cannot bind :8080"}\n{"level":"info","msg":"bye"}\n'


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (PYTHON, "KeyError: 'PAYMENTS_URL'"),
        (CHAINED, "app.errors.StartupError: no database"),
        (JAVA, "Caused by: java.net.ConnectException: Connection refused"),
        (GO, "panic: runtime error: invalid memory address or nil pointer dereference"),
        (NODE, "Error: PAYMENTS_URL is not set"),
        (RUST, "thread 'main' panicked at src/main.rs:4:38: environment variable PAYMENTS_URL must be set"),
        (RUBY, "app.rb:3:in 'Hash#fetch': key not found: \"PAYMENTS_URL\" (KeyError)"),
        (STRUCTURED, 'level=fatal msg="cannot reach the database" host=postgres'),
        (JSON_LINES, '{"level":"error","msg":"cannot bind :8080"}'),
        ("exec /app/run: exec format error\n", "exec /app/run: exec format error"),
        ("one\ntwo\n\n", "two"),
        ("\n \n", ""),
    ],
)
def test_finds_the_line_that_tells_most(log: str, line: str) -> None:
    assert telling_line(log) == line


@given(st.text())
def test_any_log_has_at_most_one_short_line_to_tell(log: str) -> None:
    line = telling_line(log)
    assert len(line) <= 200
    assert line in " ".join(part.strip() for part in log.splitlines())


@pytest.mark.parametrize("log", [PYTHON, NODE, RUST, RUBY, "required key PAYMENTS_URL missing value", "Could not resolve placeholder 'PAYMENTS_URL' in value"])
def test_a_missing_variable_is_recognised_in_many_languages(log: str) -> None:
    assert missing_variable(telling_line(log)) == "PAYMENTS_URL"


@pytest.mark.parametrize("line", ["KeyError: 'customer'", "panic: index out of range", "connected with TLS_AES_128_GCM_SHA256"])
def test_other_complaints_are_about_no_variable(line: str) -> None:
    assert missing_variable(line) is None


CRASH = Failed(code="CrashLoopBackOff", why="both new pods crashed at start (CrashLoopBackOff, exit 1)", hint="Read the log.", new="image v1.1.0 → v1.2.0")
REQUEST = LogRequest("gateway-h2-a", "gateway", previous=True)


def test_what_is_shown_of_a_log_has_no_secrets() -> None:
    failed = with_logs(CRASH, {REQUEST: "starting for maria@example.com\nError: cannot log in with password=hunter2\n"}, deployment())
    assert failed.why.endswith(": Error: cannot log in with password=[secret]")
    assert failed.evidence[0].text == "starting for [e-mail]\nError: cannot log in with password=[secret]"


def test_a_variable_that_the_deployment_does_not_set_is_what_is_new() -> None:
    workload = deployment()
    revisions = [replicaset(workload, template(f"{IMAGE}:v1.1.0"), number=1), replicaset(workload)]
    failed = with_logs(CRASH, {REQUEST: PYTHON}, workload, revisions)
    assert failed.why == "both new pods crashed at start (CrashLoopBackOff, exit 1): KeyError: 'PAYMENTS_URL'"
    assert failed.new == "variable PAYMENTS_URL is not in the Deployment; v1.1.0 ran without it; image v1.1.0 → v1.2.0"
    assert "Add PAYMENTS_URL" in failed.hint
    assert failed.evidence[0].title == "log of gateway-h2-a/gateway before its restart"
    assert "Traceback" in failed.evidence[0].text


def test_a_variable_that_is_set_is_not_called_missing() -> None:
    workload = deployment(template(env=[{"name": "PAYMENTS_URL", "value": "x"}]))
    failed = with_logs(CRASH, {REQUEST: PYTHON}, workload)
    assert failed.new == CRASH.new
    assert failed.hint == CRASH.hint


def test_what_env_from_brings_cannot_be_seen() -> None:
    workload = deployment(template(envFrom=[{"configMapRef": {"name": "app"}}]))
    assert "unless envFrom brings it" in with_logs(CRASH, {REQUEST: PYTHON}, workload).new


def test_of_a_pod_that_lives_only_an_error_is_worth_telling() -> None:
    unready = CRASH.model_copy(update={"code": "ProbeFailed", "why": "the new pod did not become ready"})
    assert with_logs(unready, {REQUEST: "GET /health 200\n"}, deployment()).why == "the new pod did not become ready"
    assert with_logs(unready, {REQUEST: "ERROR no database\nGET /health 503\n"}, deployment()).why.endswith(": ERROR no database")


def test_the_log_of_a_process_that_was_killed_for_memory_is_kept_and_not_believed() -> None:
    killed = CRASH.model_copy(update={"code": "OOMKilled"})
    failed = with_logs(killed, {REQUEST: PYTHON}, deployment())
    assert (failed.why, failed.hint, failed.new) == (killed.why, killed.hint, killed.new)
    assert "Traceback" in failed.evidence[0].text


def test_an_empty_log_changes_nothing_and_a_foreign_binary_gets_its_own_advice() -> None:
    assert with_logs(CRASH, {REQUEST: "\n"}, deployment()) == CRASH
    assert "architecture" in with_logs(CRASH, {REQUEST: "exec /app/run: exec format error"}, deployment()).hint

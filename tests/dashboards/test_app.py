"""The application as a browser meets it, without one: health, headers, unknown paths, callbacks
over HTTP.
"""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import uvicorn

from dashboards import ids
from dashboards.app import create_app
from dashboards.pages import PAGES
from dashboards.pages.base import off_loop
from ingest import stream
from ingest.settings import Settings

ROOT = Path(__file__).parents[2]


def start(settings):
    """The application on a free port: (address, stop)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return f"http://127.0.0.1:{port}", stop


@pytest.fixture(scope="module")
def address(clinic_settings):
    found, stop = start(clinic_settings)
    yield found
    stop()


def get(url: str, **headers) -> tuple[int, str, dict]:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=30
        ) as answer:
            return answer.status, answer.read().decode("utf-8", "replace"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


@pytest.mark.parametrize("path", PAGES)
def test_pages_answer(address, path):
    """Each page has its own address, says its language, and is not kept by the browser."""
    status, text, headers = get(address + path)
    assert status == 200
    assert '<html lang="en">' in text
    assert "/assets/floe.js" in text
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/mcp", "/_mcp", "/nowhere", "/safety/x", "/_dash"]
)
def test_everything_else_is_404(address, path):
    """No API page, no MCP, and no 200 for what is not there: a probe of a wrong path fails."""
    assert get(address + path)[0] == 404


@pytest.mark.parametrize(("role", "status"), [("clinic", 200), ("outside", 404)])
def test_figures_of_the_stream_are_for_staff(clinic_settings, role, status):
    """/metrics counts as things happen, of one record too: from outside it is not there; /version
    is for everybody.
    """
    found, stop = start(clinic_settings.model_copy(update={"viewer_role": role}))
    try:
        code, text, _ = get(f"{found}/metrics")
        assert code == status
        assert ("floe_events_total" in text) == (role == "clinic")
        assert get(f"{found}/version")[0] == 200
    finally:
        stop()


def test_health(address):
    """/healthz lives; /readyz reads the lake."""
    assert get(f"{address}/healthz")[:2] == (200, '{"status":"ok"}')
    status, text, _ = get(f"{address}/readyz")
    assert (status, json.loads(text)["status"]) == (200, "ready")


def test_headers_let_nothing_out(address):
    """The policy allows this server alone: connections, forms, scripts; no frames; no inline script
    but Dash's own.
    """
    headers = get(address + "/")[2]
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["connect-src"] == policy["form-action"] == policy["default-src"] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"


def test_another_host_name_is_refused(address):
    """A name that somebody points at 127.0.0.1 (DNS rebinding) gets nothing."""
    assert get(address + "/", Host="evil.example")[0] == 400


def test_bundles_are_compressed(address):
    """gzip where the browser takes it."""
    assert (
        get(f"{address}/_dash-layout", **{"Accept-Encoding": "gzip"})[2].get("content-encoding")
        == "gzip"
    )


def test_no_address_leads_out(address):
    """Scripts and styles of the page are this server's own: nothing from a CDN."""
    text = get(address + "/")[1]
    assert "https://" not in text.replace("https://github.com", "")
    assert "http://" not in text


def test_callback_over_http(address):
    """The page that a URL names comes through Dash's own door."""
    body = {
        "output": f"{ids.CONTENT}.children",
        "outputs": {"id": ids.CONTENT, "property": "children"},
        "inputs": [{"id": ids.URL, "property": "pathname", "value": "/safety"}],
        "changedPropIds": [f"{ids.URL}.pathname"],
    }
    request = urllib.request.Request(
        f"{address}/_dash-update-component",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        content = json.loads(answer.read())["response"][ids.CONTENT]["children"]
    assert content[0]["props"]["children"] == "Safety"


def test_without_a_lake_it_starts_and_says_so(tmp_path):
    """It answers at once; it is alive and not ready, with the reason."""
    found, stop = start(Settings(home=tmp_path / "none"))
    try:
        assert get(found + "/")[0] == 200
        assert get(f"{found}/healthz")[0] == 200
        status, text, _ = get(f"{found}/readyz")
        assert status == 503
        assert "there is no lake yet" in json.loads(text)["detail"]
    finally:
        stop()


def test_a_slow_lake_does_not_hold_up_others():
    """Views run beside the event loop: it goes on while one of them waits."""

    together = threading.Barrier(2)  # which nobody passes alone

    async def both() -> list[int]:
        return await asyncio.gather(off_loop(together.wait, 30), off_loop(together.wait, 30))

    assert sorted(asyncio.run(both())) == [0, 1]


def test_what_goes_wrong_is_logged(caplog):
    """An error of a view reaches the log, not only the browser's 500."""

    def fails() -> None:
        raise RuntimeError("for this test")

    with pytest.raises(RuntimeError, match="for this test"):
        asyncio.run(off_loop(fails))
    assert "a page could not be drawn" in caplog.text


def test_nothing_is_imported_while_serving(lake_home):
    """Plotly's optional imports are done before the first request: in threads they would be found
    half done.
    """
    program = (
        "import sys; from pathlib import Path; from ingest.settings import Settings; from dashboards.app import create_app; "
        "import importlib.util; "
        f"settings = Settings(home=Path({str(lake_home)!r})); create_app(settings); "
        "assert 'pandas' in sys.modules or importlib.util.find_spec('pandas') is None; print('ok')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "ok", done.stderr


# --- odd requests -------------------------------------------------------------------------------

SOUND = {
    "output": f"{ids.CONTENT}.children",
    "outputs": {"id": ids.CONTENT, "property": "children"},
    "inputs": [{"id": ids.URL, "property": "pathname", "value": "/safety"}],
    "changedPropIds": [f"{ids.URL}.pathname"],
    "state": [],
}


def posted(address: str, body: bytes) -> tuple[int, str]:
    request = urllib.request.Request(
        f"{address}/_dash-update-component", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


ODD = [
    {},
    {"output": "no.such"},
    {"output": []},
    {"output": None},
    {"output": "clock.disabled"},
    {"output": {"a": "b"}},
    {"inputs": None},
    {"inputs": []},
    {"inputs": {}},
    {"inputs": [[]]},
    {"inputs": [5]},
    {"inputs": [{"id": ids.URL}]},
    {"inputs": [{"id": {"type": "x"}, "property": "pathname", "value": "/"}]},
    {"inputs": [{"id": ids.URL, "property": "search", "value": "/"}]},
    *(
        {"inputs": [{"id": ids.URL, "property": "pathname", "value": v}]}
        for v in (5, True, [], {}, 1e400, "\ud800", "x" * 10**5)
    ),
    {"outputs": None},
    {"outputs": []},
    {"outputs": "x"},
    {"outputs": [{"id": ids.CONTENT, "property": "children"}]},
    {"state": None},
    {"state": [{"id": "a", "property": "b"}]},
    {"state": 5},
    {"changedPropIds": None},
    {"changedPropIds": [5]},
    {"changedPropIds": "x"},
    {"changedPropIds": [[]]},
    {"changedPropIds": ["clock.n_intervals"]},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_odd_json_is_refused_in_a_sentence(address, odd, caplog):
    """Missing keys, wrong types and foreign ids are 400, and no traceback: not in the answer, not
    in the log.
    """
    status, text = posted(address, json.dumps(SOUND | odd if odd else odd).encode())
    assert status == 400
    assert set(json.loads(text)) == {"detail"}
    assert "Traceback" not in text + caplog.text
    assert posted(address, json.dumps(SOUND).encode())[0] == 200


@pytest.mark.parametrize(
    "search",
    [
        "?" + "&" * 3000,
        "?study=%00",
        "?study=%ff%fe",
        "?a=%F0%9F",
        "?clinic=';--",
        "?visit=[]",
        "?study=\u202e",
        "no question mark",
        "?=&=&=",
        "?patient=" + "P" * 7000,
        "?%",
    ],
)
def test_odd_addresses(address, search):
    """Every server-side callback draws, or says that there is nothing, for any query in the
    address.
    """
    callbacks = app_callbacks(address)
    for callback in callbacks:
        values = {"search": search, "pathname": "/", "data": None, "n_intervals": 1}
        named = [one | {"value": values.get(one["property"])} for one in callback["inputs"]]
        names = callback["output"].strip(".").split("...")
        outputs = [
            dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names
        ]
        body = {
            "output": callback["output"],
            "outputs": outputs if callback["output"].startswith("..") else outputs[0],
            "inputs": named,
            "state": [one | {"value": None} for one in callback["state"]],
            "changedPropIds": [],
        }
        assert posted(address, json.dumps(body).encode())[0] in (200, 204), callback["output"][:80]
    assert len(callbacks) > 10


def app_callbacks(address: str) -> list[dict]:
    """Those that the server runs."""
    told = json.loads(get(f"{address}/_dash-dependencies")[1])
    return [one for one in told if not one["clientside_function"]]


# --- acting on alerts ---------------------------------------------------------------------------


def acting(address: str, seen: dict | None = None) -> dict:
    """The request by which the page acknowledges an alert."""
    [callback] = [c for c in app_callbacks(address) if f"{ids.ALERT_SAID}.children" in c["output"]]
    typed = {
        f"{ids.ALERT_BY}.value": "Dr. A",
        f"{ids.ALERT_SEEN}.data": seen or {"alert_id": "AL1", "revision": 0},
    }
    names = callback["output"].strip(".").split("...")
    return {
        "output": callback["output"],
        "outputs": [
            dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names
        ],
        "inputs": [
            one | {"value": 1 if one["id"] == ids.ALERT_ACKNOWLEDGE else None}
            for one in callback["inputs"]
        ],
        "state": [
            one | {"value": typed.get(f"{one['id']}.{one['property']}")}
            for one in callback["state"]
        ],
        "changedPropIds": [f"{ids.ALERT_ACKNOWLEDGE}.n_clicks"],
    }


def test_the_page_acts_and_says_what_came_of_it(address):
    """Where no Kafka answers that is the answer, in a sentence."""
    status, text = posted(address, json.dumps(acting(address)).encode())
    assert status == 200
    assert "No Kafka answers at 127.0.0.1:1" in text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Referer": "https://evil.example/x"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Host": "evil.example"}, 400),
    ],
    ids=str,
)
def test_no_foreign_page_acts(clinic_settings, monkeypatch, headers, status):
    """What a page elsewhere makes the browser send is refused before it reaches the callback:
    nothing is published.
    """
    published = []
    monkeypatch.setattr(stream, "publish", lambda settings, records: published.extend(records))
    found, stop = start(clinic_settings)
    try:
        body = json.dumps(acting(found)).encode()
        given = {"Content-Type": "application/json"} | headers
        request = urllib.request.Request(f"{found}/_dash-update-component", body, given)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        refused.value.close()
        assert (refused.value.code, published) == (status, [])
        assert posted(found, body)[0] == 200
        assert len(published) == 1  # the same request from the page itself
    finally:
        stop()


def test_outside_there_is_no_door_to_act(clinic_settings, address):
    """The callback is not there for a reader from outside: the request that staff's page sends is
    refused.
    """
    body = json.dumps(acting(address)).encode()
    found, stop = start(clinic_settings.model_copy(update={"viewer_role": "outside"}))
    try:
        assert [c for c in app_callbacks(found) if "alert" in c["output"]] == []
        status, text = posted(found, body)
        assert (status, "found the output of no callback" in text) == (400, True)
    finally:
        stop()


@pytest.mark.parametrize(
    "typed",
    [5, [], {}, "x" * 16_001, "\ud800"],
    ids=["number", "list", "object", "too long", "half a character"],
)
def test_odd_names_are_refused(address, typed):
    """What a field of the form can't hold is refused in a sentence."""
    body = acting(address)
    body["state"] = [
        one | {"value": typed if one["id"] == ids.ALERT_BY else one["value"]}
        for one in body["state"]
    ]
    status, text = posted(address, json.dumps(body).encode())
    assert (status, set(json.loads(text))) == (400, {"detail"})

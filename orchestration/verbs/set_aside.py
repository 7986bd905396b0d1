"""Verbs about what wants a person: rejects and alerts.

Here: their options. Not here: the answers (../rejects.py, ../alerts.py), printing
(../printing.py).
"""

from typing import Annotated

import typer

from transforms.counting import counted

from ..telling import tell
from .group import Verbs
from .shared import Format, site_settings

rejects_app = typer.Typer(
    cls=Verbs,
    help="Records that broke the contract: list, show, replay.",
    invoke_without_command=True,
)
alerts_app = typer.Typer(
    cls=Verbs,
    help="Alerts: list, acknowledge (ack), close; check who is told.",
    invoke_without_command=True,
)

Reason = Annotated[str | None, typer.Option(help="Only this reason code.")]
Topic = Annotated[str | None, typer.Option(help="Only this topic.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")]
State = Annotated[str, typer.Option(help="open, acknowledged, investigating, closed, all.")]


@rejects_app.callback()
def rejects(
    context: typer.Context,
    reason: Reason = None,
    topic: Topic = None,
    limit: Limit = 50,
    format: Format = "table",
) -> None:
    """Records that broke the contract; without a further word, lists them."""
    if context.invoked_subcommand is None:
        rejects_list(reason=reason, topic=topic, limit=limit, format=format)


@rejects_app.command("list")
def rejects_list(
    reason: Reason = None, topic: Topic = None, limit: Limit = 50, format: Format = "table"
) -> None:
    """The newest rejected records, without their bytes."""
    from ..printing import print_frame, require_format
    from ..rejects import list_rejects

    require_format(format)
    print_frame(
        list_rejects(site_settings(), reason=reason, topic=topic, limit=limit), format=format
    )


@rejects_app.command("show")
def rejects_show(topic: str, partition: int, offset: int) -> None:
    """One rejected record, its reason and its bytes."""
    from ..rejects import show_reject

    tell(show_reject(site_settings(), topic=topic, partition=partition, offset=offset))


@rejects_app.command("replay")
def rejects_replay(reason: Reason = None, topic: Topic = None) -> None:
    """Publishes rejected records again that can be read now, each once; says which still can't."""
    from ..rejects import replay_rejects

    sent, left = replay_rejects(site_settings(), reason=reason, topic=topic)
    tell(f"{counted(sent, 'record')} sent again")
    for sentence in left:
        tell(sentence)


@alerts_app.callback()
def alerts(context: typer.Context, state: State = "open", format: Format = "table") -> None:
    """Alerts; without a further word, lists them."""
    if context.invoked_subcommand is None:
        alerts_list(state=state, format=format)


@alerts_app.command("list")
def alerts_list(state: State = "open", format: Format = "table") -> None:
    """The alerts of a state."""
    from ..alerts import list_alerts
    from ..printing import print_frame, require_format

    require_format(format)
    print_frame(list_alerts(site_settings(), state=state), format=format)


@alerts_app.command("times")
def alerts_times(format: Format = "table") -> None:
    """How long alerts waited for somebody, by tier: median and 90th percentile in s, and how many
    still wait.
    """
    from ..alerts import alert_times
    from ..printing import print_frame, require_format

    require_format(format)
    print_frame(alert_times(site_settings()), format=format)


By = Annotated[
    str,
    typer.Option(
        "--by", help="Who: a name or role of the clinic's own; else your name on this machine."
    ),
]
Revision = Annotated[
    int | None,
    typer.Option(
        help="The revision that you looked at: nothing is done where it has changed since."
    ),
]


@alerts_app.command("ack")
def alerts_acknowledge(alert_id: str, by: By = "", revision: Revision = None) -> None:
    """Somebody has it in hand."""
    _act(alert_id, revision, state="acknowledged", by=by)


@alerts_app.command("investigate")
def alerts_investigate(
    alert_id: str,
    finding: Annotated[str, typer.Option(help="What is thought to be the cause.")] = "",
    action: Annotated[str, typer.Option(help="What is done about it.")] = "",
    due: Annotated[str, typer.Option(help="By which day, YYYY-MM-DD.")] = "",
    by: By = "",
    revision: Revision = None,
) -> None:
    """It is being looked into: cause, action, due day."""
    _act(
        alert_id,
        revision,
        state="investigating",
        by=by,
        finding=finding,
        action=action,
        action_due_on=due,
    )


@alerts_app.command("close")
def alerts_close(
    alert_id: str,
    finding: Annotated[str, typer.Option(help="What was found.")] = "",
    by: By = "",
    revision: Revision = None,
) -> None:
    """It is dealt with."""
    _act(alert_id, revision, state="closed", by=by, finding=finding or "closed without a finding")


def _act(alert_id: str, revision: int | None, *, by: str, **said: str) -> None:
    from getpass import getuser

    from ingest.alerting.standing import Act

    from ..alerts import act_on_alert

    given = {name: text or None for name, text in said.items()}
    act_on_alert(
        site_settings(), alert_id, Act(by=by or getuser(), **given), seen_revision=revision
    )


@alerts_app.command("check")
def alerts_check(
    send: Annotated[
        bool, typer.Option("--send", help="Sends one test delivery to each sink.")
    ] = False,
) -> None:
    """Whether the file of who is told (FLOE_ALERTS) can be meant so; with --send, whether each sink
    takes a delivery.
    """
    from ..alerts import check_alerts

    check_alerts(site_settings(), send=send)


@alerts_app.command("watch")
def alerts_watch() -> None:
    """Watches what lands and tells whoever is on duty (FLOE_ALERTS), until SIGTERM; `floe up` runs
    it.
    """
    import signal
    import threading

    from ingest.alerting.watch import run

    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    run(site_settings(), stop=stop, say=tell)

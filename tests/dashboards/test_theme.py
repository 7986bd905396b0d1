"""One look: enough contrast in both schemes, one wrapper around every graph, nothing that
uploads.
"""

import ast
from pathlib import Path

import plotly.graph_objects as go
import pytest

from dashboards import theme

ROOM = Path(theme.__file__).parent


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", [theme.LIGHT, theme.DARK], ids=lambda x: x.name)
def test_contrast(look):
    """WCAG 2.2: text 4.5:1 (1.4.3); what is drawn 3:1 (1.4.11), the orange of the GAF palette
    rounded to it.
    """
    for text in (look.text, look.muted, look.concern):
        assert _contrast(text, look.surface) >= 4.5
    for drawn in (*look.series, look.rule):
        assert round(_contrast(drawn, look.surface), 1) >= 3.0


def test_only_one_module_makes_a_graph():
    """Whoever draws takes theme.graph: no other module of the room names dcc.Graph."""
    named = {
        path.name
        for path in ROOM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.Name)
        and (getattr(node, "attr", None) or getattr(node, "id", "")) == "Graph"
    }
    assert named == {"theme.py"}


def test_a_graph_uploads_nothing():
    """No share button, no address to send to, no logo that leads out; a height that does not
    jump.
    """
    graph = theme.graph("x", height=300, least_width=500)
    assert graph.config["showSendToCloud"] is False
    assert graph.config["plotlyServerURL"] == ""
    assert graph.config["displaylogo"] is False
    assert graph.style == {"height": "300px", "minWidth": "500px"}


def test_dressed_keeps_a_readers_zoom():
    """The zoom stays while the choice stays, and the template is the scheme's."""
    figure = theme.dressed(go.Figure(), theme.look("dark"), keep="clinic=C1", height=400)
    assert figure.layout.uirevision == "clinic=C1"
    assert figure.layout.template.layout.paper_bgcolor == theme.DARK.surface
    assert theme.look(None) is theme.LIGHT

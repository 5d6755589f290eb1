"""The export: a state's file has the name the page asks for, pages stand alone, and a dead link is an error."""

import json
from pathlib import Path
from typing import Any

import pytest
from series_fixtures import pocket_tools
from studio_fakes import FakeAssistant

from showtell.core.errors import ConfigError
from showtell.studio.demos.catalogue import BY_NAME
from showtell.studio.series import export as exporting
from showtell.studio.series import page
from showtell.studio.series.bounds import read_state
from showtell.studio.series.export import ExportError, export, follow_links, key_of, record, standing, worth_recording
from showtell.studio.series.tools import Tools


def test_a_recorded_state_is_the_view_under_its_own_name(tmp_path: Path) -> None:
    demo = BY_NAME["stripes"]
    html, written = record(demo, pocket_tools(), tmp_path / "stripes", 4)
    names = sorted(path.name for path in (tmp_path / "stripes").iterdir())
    assert written == 4 == len(names) and "default.json" in names and "recorded" in html
    for name in names:
        figure = json.loads((tmp_path / "stripes" / name).read_text())
        state = read_state(demo.state_type, figure["state"])
        assert key_of(demo, state) == name.removesuffix(".json")
        assert figure["digest"] == demo.view(state, pocket_tools()).to_json()["digest"]


def test_what_is_recorded_moves_every_field() -> None:
    demo = BY_NAME["atlas"]
    figure = demo.view(demo.default(), pocket_tools()).to_json()
    states = list(worth_recording(demo, figure))
    assert states[0] == demo.default() and len(set(states)) == len(states)
    for name in ("photo", "patch", "map"):
        assert len({getattr(state, name) for state in states}) > 4, name
    rows, cols = pocket_tools().tower.config.grid
    assert {state.patch for state in states} == set(range(rows * cols)), "every patch, and none that is not there"


def test_a_page_stands_alone() -> None:
    demo = BY_NAME["light"]
    live = page.figure_page(
        demo, '<noscript><form></form></noscript><a href="/source/showtell.core.block#L9">x</a>', "m"
    )
    html = standing(live, "m")
    assert 'href="source-showtell.core.block.html#L9"' in html and 'href="index.html"' in html
    assert 'href="/' not in html and 'src="/' not in html and "<form" not in html and "Playground" not in html
    assert "A recording" in html and "data-recorded" in html


def test_the_whole_export_and_what_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two figures and a chapter of their own stand for the series."""
    demos = (BY_NAME["light"], BY_NAME["stripes"])
    articles = tmp_path / "articles"
    articles.mkdir()
    text = "# Vision foundations\n\n## One\n\n```demo light\n```\n\n```demo stripes\n```\n"
    (articles / "01-vision-foundations.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(exporting, "DEMOS", demos)
    monkeypatch.setattr(page, "ARTICLES", articles)
    monkeypatch.setattr(page, "WRITTEN", frozenset({1}))
    folder, told = tmp_path / "site", list[str]()
    for _ in range(2):  # an earlier export is replaced
        done = export(folder, pocket_tools(), 2, told.append)
    assert done.states == 4 and done.pages > 4 and done.links > 30 and len(told) == 4
    assert (folder / "figures" / "light" / "default.json").is_file()
    (folder / "figure-light.html").write_text('<a href="part-7.html">gone</a>', encoding="utf-8")
    with pytest.raises(ExportError, match=r"figure-light.html links to 'part-7.html'"):
        follow_links(folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and no earlier export"):
        export(other, pocket_tools(), 1)
    assert (other / "mine.txt").exists()


def test_a_model_that_cannot_serve_a_figure_leaves_its_sentence(tmp_path: Path) -> None:
    html, written = record(BY_NAME["atlas"], Tools(FakeAssistant()), tmp_path / "atlas", 3)
    assert written == 0 and "looks into a vision transformer" in html


def test_the_page_and_python_name_states_alike() -> None:
    """`recording` of live.js, read as text: field-value joined by +, "default" for none."""
    source = (exporting.STATIC / "series" / "live.js").read_text(encoding="utf-8")
    assert '`${field}-${text}`).join("+") || "default"' in source and "/^[\\w.+-]{1,120}$/" in source
    demo: Any = BY_NAME["labels"]
    assert key_of(demo, demo.state_type(labels=4, wrong=20)) == "labels-4+wrong-20"

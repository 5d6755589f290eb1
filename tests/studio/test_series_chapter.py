"""Chapters are held to the library while they are built: quotations, numbers, figures, formulas."""

import re
from html import unescape
from pathlib import Path

import pytest
from series_fixtures import pocket_tools

from showtell.studio.demos.catalogue import BY_NAME, DEMOS
from showtell.studio.series.chapter import MARK, Chapter, ChapterError, build, minutes, quoted_line
from showtell.studio.series.highlight import highlight, numbered
from showtell.studio.series.maths import maths
from showtell.studio.series.numbers import numbers
from showtell.studio.series.page import ARTICLES, PARTS
from showtell.studio.series.source import module_source

FILES = sorted(ARTICLES.glob("*.md"))


def built(path: Path) -> Chapter:
    return build(path.read_text(encoding="utf-8"), numbers(pocket_tools()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_chapter_builds_and_its_figures_exist(path: Path) -> None:
    chapter = built(path)
    assert chapter.title == PARTS[int(path.name[:2]) - 1].title
    assert MARK.findall(chapter.html) == list(chapter.demos)
    assert all(BY_NAME[name].number[0] == path.name[1] for name in chapter.demos)
    assert "{{" not in chapter.html and "—" not in chapter.html.split("<h2")[0]
    order = [BY_NAME[name].number for name in chapter.demos]
    assert order == sorted(order), "figures are numbered in reading order"
    anchors = [heading.anchor for heading in chapter.contents]
    assert len(set(anchors)) == len(anchors) and not set(anchors) & set(BY_NAME)


def test_every_figure_stands_in_the_chapter_of_its_part() -> None:
    placed = [name for path in FILES for name in built(path).demos]
    assert sorted(placed) == sorted(demo.name for demo in DEMOS)


def test_a_quotation_that_no_longer_holds_fails_the_build() -> None:
    good = "x = x + self.scale1(self.attn(self.norm1(x), mask, rotation, cache))"
    line = quoted_line(good, "showtell.core.block")
    assert good in module_source("showtell.core.block").split("\n")[line - 1]
    assert "<pre" in build(f"# A\n\n```python showtell.core.block\n{good}\n```\n", {}).html
    with pytest.raises(ChapterError, match=r"showtell.core.block no longer contains the quoted lines"):
        build(f"# A\n\n```python showtell.core.block\n{good} + 1\n```\n", {})


def test_numbers_are_computed_or_the_build_fails() -> None:
    assert "<p>4 heads</p>" in build("# A\n\n{{n}} heads\n", {"n": lambda: "4"}).html
    with pytest.raises(ChapterError, match="computed by nobody"):
        build("# A\n\n{{m}} heads\n", {"n": lambda: "4"})
    assert numbers(pocket_tools())["vitb.gflop.16"]() == "35.1"


def test_text_is_never_markup() -> None:
    html = build('# A\n\n<script>alert(1)</script> [x](javascript:alert(1)) $<b>$\n\n```demo x"y\n```\n', {}).html
    assert "<script" not in html and 'href="javascript' not in html and "<b>" not in html


def test_formulas() -> None:
    assert (
        maths(r"\frac{a}{b}")
        == "<math><mrow><mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac></mrow></math>"
    )
    assert "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>" in maths("x_i^2")
    assert ">∑</mo><mi>i</mi></munder>" in maths(r"\sum_i")
    assert "number\u00a0of\u00a0tokens" in maths(r"\text{number of tokens}")
    for wrong in (r"\unknown", "{a", r"\frac{a}", "a^"):
        with pytest.raises(ValueError):
            maths(wrong)


def test_code_comes_out_as_it_went_in() -> None:
    text = module_source("showtell.core.attention")
    for drawn in (highlight(text), numbered(text)):
        assert unescape(re.sub(r"<[^>]+>", "", drawn)) == text
    assert numbered(text).count("<span") == numbered(text).count("</span>")
    assert highlight("if (a < 'b'") == "if (a &lt; &#x27;b&#x27;", "what is not Python stays plain"


def test_reading_time_counts_words_and_figures() -> None:
    assert minutes("word " * 600) == 3
    assert minutes("word " * 400 + "\n```demo a\n```\n```demo b\n```\n") == 7

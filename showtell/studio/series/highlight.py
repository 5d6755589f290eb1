"""Python as HTML, with four inks: keywords, strings, comments, numbers. By the tokenizer of Python itself."""

import io
import keyword
import tokenize
from html import escape

INKS = {tokenize.STRING: "str", tokenize.COMMENT: "com", tokenize.NUMBER: "num"}


def highlight(text: str) -> str:
    """Escaped HTML of a piece of Python; text that is not Python comes back plain."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return escape(text)
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    out: list[str] = []
    done = 0
    for token in tokens:
        ink = INKS.get(token.type) or ("key" if token.type == tokenize.NAME and keyword.iskeyword(token.string) else "")
        if not ink:
            continue
        first = starts[token.start[0] - 1] + token.start[1]
        last = starts[token.end[0] - 1] + token.end[1]
        out += [escape(text[done:first]), f'<span class="{ink}">{escape(text[first:last])}</span>']
        done = last
    return "".join([*out, escape(text[done:])])


def numbered(text: str) -> str:
    """Highlighted, one anchor a line: #L12."""
    lines: list[str] = []
    inside = ""  # an ink that goes on over the end of a line: a docstring
    for number, line in enumerate(highlight(text).split("\n"), start=1):
        opened = f'<span class="{inside}">' if inside else ""
        whole = opened + line
        last_open, last_close = whole.rfind("<span"), whole.rfind("</span>")
        inside = whole[last_open + 13 : whole.index('"', last_open + 13)] if last_open > last_close else ""
        lines.append(f'<span class="ln" id="L{number}">{whole}{"</span>" if inside else ""}</span>')
    return "\n".join(lines)

r"""TeX to MathML, for the small part of TeX that the chapters use; browsers draw MathML without any script.

    \frac{QK^\top}{\sqrt{d}}   ->   <mfrac><mrow>...</mrow><mrow class="root">...</mrow></mfrac>

Known: letters, numbers, operators, sub- and superscripts, groups, \frac \sqrt \text \mathbf \mathbb \operatorname \hat
\bar \tilde \left \right, Greek letters and the symbols below. Anything else raises ValueError, so that a chapter with a
formula that cannot be drawn does not build.
"""

import re
from html import escape

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "theta": "θ", "lambda": "λ", "mu": "μ",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "omega": "ω", "Delta": "Δ", "Sigma": "Σ", "Pi": "Π",
}  # fmt: skip
SYMBOLS = {
    "cdot": "·", "times": "×", "le": "≤", "ge": "≥", "ne": "≠", "in": "∈", "to": "→", "approx": "≈", "top": "⊤",
    "infty": "∞", "sum": "∑", "prod": "∏", "int": "∫", "partial": "∂", "ldots": "…", "cdots": "⋯", "mid": "|",
    "odot": "⊙", "circ": "∘", "propto": "∝", "Vert": "‖", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉",
    "ell": "ℓ", "iff": "⟺", "Rightarrow": "⇒", "mapsto": "↦", "pm": "±", "ast": "∗", "forall": "∀", "dots": "…",
}  # fmt: skip
NAMED = {"log", "exp", "sin", "cos", "max", "min", "softmax", "rank", "det"}
ACCENTS = {"hat": "^", "bar": "¯", "tilde": "~"}
BLACKBOARD = {"R": "ℝ", "E": "𝔼", "Z": "ℤ", "C": "ℂ"}
LARGE = '<mo class="large" movablelimits="false">{}</mo>'
SIGNS = {"-": "−", "*": "∗", "'": "′"}
BOLD, DOUBLE = "mathbf", "mathbb"
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|[{}^_]|\s+|.", re.DOTALL)


def maths(tex: str, display: bool = False) -> str:
    """One <math> element."""
    parser = _Parser([token for token in TOKEN.findall(tex) if not token.isspace()], tex)
    shown = ' display="block"' if display else ""
    return f"<math{shown}><mrow>{parser.row('')}</mrow></math>"


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[str], tex: str) -> None:
        self.tokens, self.tex, self.next = tokens, tex, 0

    def row(self, end: str) -> str:
        out: list[str] = []
        while self.next < len(self.tokens):
            if self.tokens[self.next] == end:
                self.next += 1
                return "".join(out)
            out.append(self.scripted())
        if end:
            raise ValueError(f"{self.tex!r}: {end} is missing")
        return "".join(out)

    def scripted(self) -> str:
        base = self.atom()
        low = high = ""
        while self.next < len(self.tokens) and self.tokens[self.next] in "^_":
            mark = self.take()
            script = self.atom()
            low, high = (script, high) if mark == "_" else (low, script)
        stacked = base in (LARGE.format("∑"), LARGE.format("∏"), "<mo>max</mo>", "<mo>min</mo>")
        if low and high:
            tag = "munderover" if stacked else "msubsup"
            return f"<{tag}>{base}{low}{high}</{tag}>"
        if low or high:
            tag = ("munder" if stacked else "msub") if low else ("mover" if stacked else "msup")
            return f"<{tag}>{base}{low or high}</{tag}>"
        return base

    def take(self) -> str:
        if self.next == len(self.tokens):
            raise ValueError(f"{self.tex!r} ends too early")
        self.next += 1
        return self.tokens[self.next - 1]

    def group(self) -> str:
        """The raw text of {...}."""
        if self.take() != "{":
            raise ValueError(f"{self.tex!r}: {{ expected")
        out: list[str] = []
        while (token := self.take()) != "}":
            out.append(token)
        return "".join(out)

    def atom(self) -> str:
        token = self.take()
        if token == "{":
            return f"<mrow>{self.row('}')}</mrow>"
        if token.startswith("\\"):
            return self.command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{token}</mi>"
        return f"<mo>{escape(SIGNS.get(token, token))}</mo>"

    def command(self, name: str) -> str:
        if name in GREEK:
            return f"<mi>{GREEK[name]}</mi>"
        if name in ("sum", "prod"):
            return LARGE.format(SYMBOLS[name])
        if name in SYMBOLS:
            return f"<mo>{SYMBOLS[name]}</mo>"
        if name in NAMED:
            return f"<mo>{name}</mo>" if name in ("max", "min") else f"<mi>{name}</mi>"
        if name == "frac":
            return f"<mfrac>{self.atom()}{self.atom()}</mfrac>"
        if name == "sqrt":
            # not <msqrt>: without a mathematical font installed, browsers draw no root sign (series.css draws the bar)
            return f'<mrow class="root"><mo>√</mo><mrow class="under">{self.atom()}</mrow></mrow>'
        if name == "text":
            return f"<mtext>{escape(self.words())}</mtext>"
        if name == "operatorname":
            return f"<mi>{escape(self.group())}</mi>"
        if name == BOLD:
            return f'<mi class="bold">{escape(self.group())}</mi>'
        if name == DOUBLE:
            return f"<mi>{BLACKBOARD[self.group()]}</mi>"
        if name in ACCENTS:
            return f"<mover accent='true'>{self.atom()}<mo>{ACCENTS[name]}</mo></mover>"
        if name in ("left", "right"):
            return f'<mo class="tall" stretchy="false">{escape(self.take().lstrip(chr(92)))}</mo>'
        if name in ("quad", ","):
            return f'<mspace width="{"1em" if name == "quad" else "0.17em"}"/>'
        if name in "{}%&#":
            return f"<mo>{escape(name)}</mo>"
        raise ValueError(f"{self.tex!r}: \\{name} is not known to series/maths.py")

    def words(self) -> str:
        """The text of \\text{...}, whose spaces the tokenizer dropped: found again in the original."""
        raw = self.group()
        pattern = r"\\text\{(" + r"\s*".join(map(re.escape, raw)) + r"\s*)\}"
        found = re.search(pattern, self.tex)
        return found[1].replace(" ", "\u00a0") if found else raw

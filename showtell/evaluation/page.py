"""The looks of a report: one style sheet, one small script, the frame of the page. Everything is inside the file.

Two inks as in the studio: teal for what is right, rust for what is wrong, neither the only sign of it. The page follows
the reader's light or dark setting and works on a phone and on paper; without JavaScript all items are shown. What
stands on the page is `report.py`.
"""

STYLE = """
:root { color-scheme: light dark; --paper:#fdfdfb; --panel:#f3f4f1; --ink:#17191c; --soft:#5a6067; --line:#dcdedb;
  --good:#0b7a75; --bad:#b4421c; --said:#d55e00; --truth:#0072b2; --ask:#6443c0;
  --serif:"Source Serif 4","Source Serif Pro",Georgia,"Times New Roman",serif;
  --mono:"IBM Plex Mono",ui-monospace,Menlo,Consolas,monospace; }
@media (prefers-color-scheme: dark) { :root { --paper:#121416; --panel:#1b1e21; --ink:#e9e9e5; --soft:#a0a6ad;
  --line:#30353a; --good:#56c7bd; --bad:#f0957c; --said:#ff9d52; --truth:#6cb8ea;
  --ask:#b6a2fa; } }
* { box-sizing:border-box; }
body { margin:0; background:var(--paper); color:var(--ink); font:400 1.0625rem/1.55 var(--serif);
  -webkit-font-smoothing:antialiased; text-rendering:optimizeLegibility; }
header, main, footer { max-width:76rem; margin:0 auto; padding-inline:clamp(1.15rem,4vw,4rem); }
header { display:flex; flex-wrap:wrap; gap:.2rem 1.5rem; align-items:baseline; padding-block:1.2rem .4rem; }
.wordmark { font-style:italic; font-weight:500; font-size:1.25rem; }
.mono, td.n, th.n { font-family:var(--mono); font-size:.8rem; letter-spacing:-.01em;
  font-variant-numeric:tabular-nums; }
.soft { color:var(--soft); }
section.task { padding-block:1.6rem 2.4rem; border-top:1px solid var(--line); }
h1 { font-size:1.5rem; font-weight:500; margin:.2rem 0 1.2rem; }
h2 { font-size:1.15rem; font-weight:600; margin:2.2rem 0 .8rem; }
p { margin:.3rem 0; max-width:42em; }
.lead { display:grid; grid-template-columns:minmax(15rem,auto) 1fr; gap:1rem 3.5rem; align-items:end; }
.score { font-size:clamp(3.6rem,9vw,5.6rem); line-height:.95; font-weight:300; letter-spacing:-.03em; }
.score small { font-size:.38em; letter-spacing:0; margin-left:.12em; }
.columns { display:grid; grid-template-columns:minmax(0,1.35fr) minmax(0,1fr); gap:0 3.5rem; }
table { border-collapse:collapse; width:100%; font-size:.95rem; }
th { text-align:left; font-weight:400; color:var(--soft); font-size:.85rem; border-bottom:1px solid var(--line); }
td, th { padding:.28rem .9rem .28rem 0; vertical-align:baseline; }
td.n, th.n { text-align:right; white-space:nowrap; }
.scroll { overflow-x:auto; }
.bars { display:grid; grid-template-columns:minmax(6rem,max-content) 1fr max-content max-content; gap:.34rem 1rem;
  align-items:center; font-size:.95rem; }
.bars .row { display:contents; }
.bar { position:relative; height:1.05rem; background:var(--panel); border-radius:2px; }
.bar i { position:absolute; inset-block:0; left:0; background:var(--good); opacity:.32; border-radius:2px 0 0 2px; }
.bar b { position:absolute; top:50%; height:3px; margin-top:-1.5px; background:var(--good); border-radius:2px; }
.bar u { position:absolute; inset-block:1px; width:2px; margin-left:-1px; background:var(--good); }
.ends { display:flex; justify-content:space-between; }
svg.curve { width:100%; max-width:27rem; height:auto; display:block; overflow:visible; }
svg.curve text { fill:var(--soft); font:11px var(--mono); } svg.curve line { stroke:var(--line); }
svg.curve path { fill:none; stroke:var(--good); stroke-width:2.5; stroke-linejoin:round; }
.filter { display:flex; flex-wrap:wrap; gap:.45rem; margin:.4rem 0 1.1rem; }
.filter button { font:inherit; font-size:.88rem; color:var(--soft); background:none; border:1px solid var(--line);
  border-radius:99px; padding:.28rem .85rem; min-height:2.1rem; cursor:pointer; }
.filter button[aria-pressed=true] { color:var(--paper); background:var(--ink); border-color:var(--ink); }
:focus-visible { outline:2px solid var(--truth); outline-offset:2px; }
.items { display:grid; grid-template-columns:repeat(auto-fill,minmax(min(15.5rem,100%),1fr)); gap:2rem 1.7rem; }
article { min-width:0; break-inside:avoid; }
article[hidden] { display:none; }
.frame { position:relative; background:var(--panel); border-radius:3px; overflow:hidden; margin-bottom:.6rem; }
.frame img { width:100%; display:block; } .frame svg { position:absolute; inset:0; width:100%; height:100%; }
.frame svg * { fill:none; vector-effect:non-scaling-stroke; }
.frame .halo { stroke:#fff; stroke-width:5; stroke-opacity:.75; }
.frame .asked { stroke:var(--ask); stroke-width:2.5; stroke-dasharray:2 4; }
.frame .said { stroke:var(--said); stroke-width:2.5; } .frame .truth { stroke:var(--truth); stroke-width:2.5;
  stroke-dasharray:6 4; }
article p { margin:.1rem 0; overflow-wrap:anywhere; line-height:1.4; }
article .ask { font-style:italic; }
article .answer::before { content:"✗ "; color:var(--bad); font-weight:600; } article .answer { color:var(--bad); }
article.right .answer::before { content:"✓ "; color:var(--good); } article.right .answer { color:var(--good); }
.key { display:inline-block; width:1.5rem; border-top:2.5px solid var(--said); vertical-align:middle;
  margin-right:.35rem; }
.key.asked { border-top:2.5px dotted var(--ask); margin-left:1.1rem; }
.key.truth { border-top:2.5px dashed var(--truth); margin-left:1.1rem; }
footer { padding-block:1.5rem 4rem; color:var(--soft); border-top:1px solid var(--line); overflow-wrap:anywhere; }
@media (max-width:46rem) { .columns, .lead { grid-template-columns:1fr; } .items { gap:1.6rem; }
  body { font-size:1rem; }
  .bars { grid-template-columns:1fr; gap:.7rem; }
  .bars .row { display:grid; grid-template-columns:1fr max-content 3.4rem; gap:.1rem .9rem; align-items:baseline; }
  .bars .row .bar { grid-column:1/-1; order:1; height:.8rem; } .bars .row span:last-child { text-align:right; } }
@media print { .filter { display:none; } article[hidden] { display:block; } }
"""

SCRIPT = """
for (const filter of document.querySelectorAll('.filter')) {
  const items = filter.parentElement.querySelectorAll('article');
  const chosen = { side: 'all', skill: 'all' };
  filter.hidden = false;
  filter.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    const { group, value } = button.dataset;
    chosen[group] = chosen[group] === value ? 'all' : value;
    for (const other of filter.querySelectorAll('button'))
      other.setAttribute('aria-pressed', String(chosen[other.dataset.group] === other.dataset.value));
    for (const item of items)
      item.hidden = !['side', 'skill'].every((name) => chosen[name] === 'all' || item.dataset[name] === chosen[name]);
  });
}
"""

FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><span class="wordmark">showtell</span><span class="soft">{subtitle}</span></header>
<main>
{sections}
</main>
<footer class="mono">{footer}</footer>
<script>{script}</script>
</body>
</html>
"""


def page(title: str, subtitle: str, sections: str, footer: str) -> str:
    """The whole file; all arguments but `title` are HTML."""
    return FRAME.format(title=title, subtitle=subtitle, sections=sections, footer=footer, style=STYLE, script=SCRIPT)

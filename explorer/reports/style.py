"""How the report looks: one style sheet inside the page, light and dark, on paper, on a phone."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #565d66; --page: #ffffff; --card: #f5f6f8; --line: #d5d9df;
  --link: #0b5cad; --good: #11653a; --other: #93410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ec; --soft: #aab2bc; --page: #14171b; --card: #1e2328;
  --line: #3a4149; --link: #7ab8ff; --good: #7fd6a4; --other: #f5b07c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
main, header, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 2rem 0 .75rem; }
h2 { font-size: 1.4rem; margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 2px solid var(--line); }
h3 { font-size: 1.15rem; margin: 0 0 .35rem; }
p, ul { max-width: 46rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link);
  outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--page); padding: .5rem; }
.soft { color: var(--soft); }
.note { background: var(--card); border-left: 4px solid var(--link); padding: .6rem 1rem; max-width: 46rem; }
article { margin: 2rem 0; padding: 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; background: #ffffff; border-radius: .35rem; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .35rem; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2rem; }
.sides h4 { font-size: .95rem; margin: .75rem 0 .25rem; }
.sides p, .sides ul { margin-top: 0; }
.sides ul { padding-left: 1.1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: .5rem 0; }
caption { text-align: left; color: var(--soft); padding-bottom: .35rem; max-width: 46rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th { font-weight: 600; }
.good { color: var(--good); font-weight: 600; }
.other { color: var(--other); font-weight: 600; }
details { margin: .6rem 0; }
summary { cursor: pointer; }
nav ul { columns: 2; max-width: 60rem; padding-left: 1.1rem; }
footer { margin: 3rem auto 2rem; color: var(--soft); font-size: .9rem; }
@media (max-width: 44rem) { .sides { grid-template-columns: 1fr; } nav ul { columns: 1; } article { padding: .9rem; }
  h1 { font-size: 1.45rem; }
  .cards thead { position: absolute; left: -99rem; }
  .cards tr { display: block; padding: .6rem 0; border-bottom: 2px solid var(--line); }
  .cards td { display: flex; gap: .75rem; border: 0; padding: .15rem 0; }
  .cards td::before { content: attr(data-label); flex: 0 0 4.2rem; color: var(--soft); font-weight: 400; } }
@media print { article { break-inside: avoid; } nav { display: none; } }
"""

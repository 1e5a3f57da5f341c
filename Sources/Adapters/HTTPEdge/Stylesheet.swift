/// The console's one stylesheet. Colours repeat what words say; text has a contrast of at least 7 to 1.
enum Stylesheet {
  static let text = """
    :root {
      color-scheme: light dark;
      --ground: #f6f7f8; --sheet: #ffffff; --ink: #1a2026; --soft: #444e58; --line: #d5dbe0; --link: #0b4f8a;
      --good: #0f5132; --good-ground: #e6f4ea; --bad: #842029; --bad-ground: #fbe9ea;
      --warm: #664d03; --warm-ground: #fff6dc; --quiet-ground: #eceff1;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --ground: #14181c; --sheet: #1c2227; --ink: #e9edf0; --soft: #b6c0c9; --line: #3a444d; --link: #9cc9f5;
        --good: #a9dfbf; --good-ground: #17301f; --bad: #f5b7bd; --bad-ground: #3b191d;
        --warm: #f3dc9a; --warm-ground: #352b0d; --quiet-ground: #2a3138;
      }
    }
    * { box-sizing: border-box; }
    body {
      margin: 0; background: var(--ground); color: var(--ink);
      font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
    }
    a { color: var(--link); }
    :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px; }
    .skip { position: absolute; left: -100rem; }
    .skip:focus { left: 1rem; top: 1rem; background: var(--sheet); padding: .5rem 1rem; z-index: 1; }

    header {
      display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; padding: .6rem 1.5rem;
      background: var(--sheet); border-bottom: 1px solid var(--line);
    }
    .brand { margin: 0; font-weight: 700; letter-spacing: .01em; }
    nav { flex: 1 1 auto; }
    nav ul, .visitor ul { display: flex; flex-wrap: wrap; gap: .1rem .25rem; list-style: none; margin: 0; padding: 0; }
    nav a { display: block; padding: .35rem .6rem; border-radius: 4px; text-decoration: none; }
    nav a:hover { text-decoration: underline; }
    nav a[aria-current] { background: var(--quiet-ground); color: var(--ink); font-weight: 600; }
    .visitor { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .9rem; color: var(--soft); }
    .visitor p { margin: 0; }

    main { max-width: 76rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
    main.broad { max-width: 110rem; }
    .broad th, .broad td { padding-right: .85rem; }
    .broad td { min-width: 0; }
    .under { display: block; color: var(--soft); font-size: .85rem; }
    .broad th.number { white-space: normal; }
    .broad .waits { min-width: 15rem; }
    .badge + .under { min-width: 11rem; }
    .stale [data-live] { opacity: .55; }
    h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0 .75rem; overflow-wrap: anywhere; }
    h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
    h3 { font-size: 1rem; margin: 1.1rem 0 .35rem; }
    p { margin: 0 0 .75rem; max-width: 48rem; overflow-wrap: anywhere; }
    ul { margin: 0 0 .75rem; padding-left: 1.25rem; }
    li { max-width: 48rem; overflow-wrap: anywhere; }
    .lead { font-size: 1.1rem; }
    .note, .empty, .missing { color: var(--soft); }
    .figure { font-size: 1.9rem; line-height: 1.2; font-weight: 600; margin: 0 0 .35rem; font-variant-numeric: tabular-nums; }
    section {
      background: var(--sheet); border: 1px solid var(--line); border-radius: 6px; padding: 1rem 1.25rem;
      margin: 0 0 1rem; min-width: 0;
    }
    section > :last-child { margin-bottom: 0; }
    .columns { display: grid; gap: 0 1rem; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); }
    section .columns { gap: 1rem 2rem; }

    .notice {
      max-width: none; padding: .65rem 1rem; border-left: 5px solid; border-radius: 4px; background: var(--quiet-ground);
    }
    .badge {
      display: inline-block; padding: 0 .5rem; border: 1px solid; border-radius: 1rem; font-size: .85rem;
      font-weight: 600; white-space: nowrap;
    }
    .good { color: var(--good); background: var(--good-ground); }
    .bad { color: var(--bad); background: var(--bad-ground); }
    .warm { color: var(--warm); background: var(--warm-ground); }
    .quiet { color: var(--soft); background: var(--quiet-ground); }
    .notice .badge { margin-right: .35rem; }

    .scroll { overflow-x: auto; margin-bottom: .75rem; }
    main > .scroll { background: var(--sheet); border: 1px solid var(--line); border-radius: 6px; padding: .25rem 1rem; }
    table { border-collapse: collapse; width: 100%; }
    /* For screen readers: the heading above says the same. */
    caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    th, td { text-align: left; vertical-align: top; padding: .45rem 1rem .45rem 0; border-top: 1px solid var(--line); }
    th:last-child, td:last-child { padding-right: 0; }
    thead th { border-top: 0; color: var(--soft); font-size: .9rem; white-space: nowrap; }
    tbody tr:hover { background: color-mix(in srgb, var(--quiet-ground) 50%, transparent); }
    td { overflow-wrap: break-word; min-width: 5rem; max-width: 30rem; }
    .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
    .day { white-space: nowrap; }
    .exact { display: block; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem; overflow-y: auto; }
    .after { font-weight: 600; }
    td .facts { display: flex; flex-wrap: wrap; gap: 0 1.5rem; }

    .facts { margin: 0; }
    .facts > div { display: flex; flex-wrap: wrap; gap: 0 .6rem; }
    .facts dt { color: var(--soft); }
    .facts dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
    .facts.wide {
      display: grid; gap: .6rem 1.5rem; margin: 0 0 1.25rem;
      grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr));
    }
    .facts.wide > div { display: block; }
    .facts.wide dt { font-size: .9rem; }
    .strong { font-weight: 600; }
    .waits { padding-left: 1.1rem; margin: 0; }

    code, pre { font-family: ui-monospace, "Cascadia Code", "Noto Sans Mono", Menlo, monospace; font-size: .9em; }
    .hash { overflow-wrap: anywhere; }
    pre.code {
      background: var(--quiet-ground); border-radius: 4px; padding: .75rem 1rem; margin: 0 0 .75rem; max-height: 30rem;
      overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;
    }

    form.answer { display: flex; flex-direction: column; gap: .4rem; align-items: flex-start; }
    label { font-weight: 600; }
    textarea {
      width: 100%; font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--soft);
      border-radius: 4px; padding: .5rem;
    }
    button {
      font: inherit; font-weight: 600; padding: .5rem 1.1rem; border-radius: 4px; border: 2px solid; cursor: pointer;
    }
    button.approve { background: #0f5132; border-color: #0f5132; color: #ffffff; }
    button.reject { background: var(--sheet); color: var(--bad); }
    button.plain { background: none; border: 0; padding: .2rem 0; color: var(--link); text-decoration: underline; font-weight: 400; }

    @media (max-width: 40rem) {
      header, main { padding-left: 1rem; padding-right: 1rem; }
      section { padding: .85rem .9rem; }
      .facts.wide { grid-template-columns: repeat(auto-fill, minmax(min(9.5rem, 100%), 1fr)); }
    }
    @media print { header, form { display: none; } body { background: none; } }
    """
}

// Keeps a page current: it listens to /ui/live, asks for the page again when something it shows has changed, and puts the difference in place, so that focus and what
// is open stay. Pages work without it.
"use strict";
(() => {
  const body = document.body, $ = (id) => document.getElementById(id);
  const mirrors = body.dataset.mirrors.split(" ").filter(Boolean), query = body.dataset.stream;
  const trusted = window.trustedTypes ? trustedTypes.createPolicy("leeward", { createHTML: (s) => s }) : { createHTML: (s) => s };
  // parse makes nodes of what the gateway drew; scripts among them would not run, and there are none.
  const parse = (html) => new DOMParser().parseFromString(trusted.createHTML(html), "text/html");

  // The gateway's clock minus ours, so that ages are by the clock that the times are from.
  let ahead = Date.parse(body.dataset.now) - Date.now();
  const age = (seconds, word) => {
    const s = Math.floor(seconds);
    if (s < 1) return "just now";
    if (s < 60) return `${s} s ${word}`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${word}`;
    if (s < 48 * 3600) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min ${word}`;
    return `${Math.floor(s / 86400)} days ${word}`;
  };
  const ages = () => {
    for (const e of document.querySelectorAll("[data-since]")) {
      const seconds = (Date.now() + ahead - Date.parse(e.dataset.since)) / 1000;
      const text = age(seconds, e.dataset.word || "ago");
      if (e.textContent !== text) e.textContent = text;
      const over = e.nextElementSibling;
      if (e.dataset.limit && over && over.classList.contains("over")) over.hidden = seconds <= Number(e.dataset.limit);
    }
    if (lostAt) $("lost-since").textContent = `since ${Math.floor((Date.now() - lostAt) / 1000)} s`;
  };

  // morph makes a live node like a drawn one. Form fields and whatever is marked data-still are the person's, or the script's, own.
  const own = (e) => e.nodeType === 1 && (e.hasAttribute("data-still") || ["INPUT", "SELECT", "TEXTAREA"].includes(e.nodeName));
  const key = (n) => (n.nodeType === 1 ? n.id || n.dataset.key || "" : "");
  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && key(a) === key(b);
  const morph = (a, b) => {
    if (a.nodeType !== 1) { if (a.data !== b.data) a.data = b.data; return; }
    if (own(a) || a.isEqualNode(b)) return;
    for (const { name } of [...a.attributes]) if (!b.hasAttribute(name) && !(name === "open" && a.nodeName === "DETAILS")) a.removeAttribute(name);
    for (const { name, value } of [...b.attributes]) if (a.getAttribute(name) !== value) a.setAttribute(name, value);
    const keyed = new Map();
    for (const c of a.children) if (key(c)) keyed.set(key(c), c);
    let at = a.firstChild;
    for (const next of [...b.childNodes]) {
      const found = key(next) && keyed.get(key(next));
      if (found && found !== at && same(found, next)) { a.insertBefore(found, at); at = found; }
      if (at && same(at, next)) { morph(at, next); at = at.nextSibling; }
      else a.insertBefore(document.importNode(next, true), at);
    }
    while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
  };

  // news tells those who listen to the page what has changed, once and in words.
  const told = new Map();
  const news = (silent) => {
    for (const e of document.querySelectorAll("[data-news]")) {
      const k = key(e) || e.nodeName;
      if (told.get(k) === e.dataset.news) continue;
      told.set(k, e.dataset.news);
      if (silent) continue;
      $("news").textContent = e.dataset.news;
      e.classList.remove("changed"); void e.offsetWidth; e.classList.add("changed");
    }
  };

  let paused = false, due = false, busy = false, last = 0;
  const refresh = async () => {
    if (paused || busy) { due = true; return; }
    busy = true; due = false; last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = parse(await answer.text());
      if (answer.ok && page.body.dataset.screen === body.dataset.screen) {
        ahead = Date.parse(page.body.dataset.now) - Date.now();
        for (const id of ["main", "stale"]) morph($(id), page.getElementById(id));
        ages(); news(false);
      } else if (answer.status !== 503 && !answer.redirected) location.reload(); // Who has to sign in anew keeps what is written in the form.
    } catch { /* The stream says that the gateway is gone. */ }
    busy = false;
    if (due) later(1000);
  };
  let timer = 0;
  // A page is asked for at most once a second, and at once for what people wait for.
  const later = (pause) => { if (!timer) timer = setTimeout(() => { timer = 0; refresh(); }, Math.max(50, last + pause - Date.now())); };

  const words = (text, on) => { $("link-words").textContent = text; $("link").className = "link " + (on ? "on" : "off"); };
  let lostAt = 0, source, seen = new URLSearchParams(query).get("after");
  const lost = () => { if (!lostAt) lostAt = Date.now(); $("lost").hidden = false; words("not live", false); };
  const listen = () => {
    const q = new URLSearchParams(query);
    if (seen !== null) q.set("after", seen);
    source = new EventSource("/ui/live?" + q);
    source.addEventListener("state", (e) => {
      const [now, ...changed] = e.data.split(" ");
      ahead = Number(now) - Date.now();
      lostAt = 0; $("lost").hidden = true;
      if (!paused) words("live", true);
      if (!mirrors.length) return;
      // A page that just came, or came back, may have missed any change.
      if (changed.includes("all") || changed.some((m) => mirrors.includes(m))) later(changed.some((m) => m === "plans" || m === "routes" || m === "rankings") ? 200 : 1000);
    });
    source.addEventListener("fact", (e) => { seen = e.lastEventId; if (paused) waiting.push(e.data); else add(e.data); });
    source.addEventListener("wiped", () => location.reload());
    source.onerror = () => {
      lost();
      // The browser comes back by itself after a broken connection, and not after a refusal.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 500);
    };
  };

  const most = 500, waiting = [];
  const add = (html) => {
    const row = parse("<table><tbody>" + html + "</tbody></table>").querySelector("tr");
    if (!row || $(row.id)) return;
    $("facts").prepend(document.importNode(row, true));
    $("none")?.remove();
    while ($("facts").rows.length > most) $("facts").lastElementChild.remove();
  };

  setInterval(ages, 1000);
  ages(); news(true);
  const open = () => { const d = location.hash.length > 1 && $(decodeURIComponent(location.hash.slice(1))); if (d && d.nodeName === "DETAILS") d.open = true; };
  addEventListener("hashchange", open); open();
  if (mirrors.length || query) {
    $("link").hidden = $("pause").hidden = false;
    $("pause").addEventListener("click", () => {
      paused = !paused;
      $("pause").setAttribute("aria-pressed", paused);
      $("pause").textContent = paused ? "Go on" : "Pause";
      words(paused ? "paused" : "live", !paused && !lostAt);
      if (!paused) { waiting.splice(0).forEach(add); if (due || mirrors.length) refresh(); }
    });
    listen();
  }
})();

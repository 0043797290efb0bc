// What the console's pages do in the browser. Every page can be read without it.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => within.querySelectorAll(selector);
  const byId = (id) => document.getElementById(id);
  // Words are the page's, so that they are translated where all others are.
  const word = (name) => byId("words").dataset[name];
  const say = (text) => { byId("say").textContent = text; };

  const stored = (name) => {
    try { return localStorage.getItem(`scimlite-${name}`); } catch { return null; }
  };
  const store = (name, value) => {
    try {
      if (value === null) localStorage.removeItem(`scimlite-${name}`);
      else localStorage.setItem(`scimlite-${name}`, value);
    } catch { /* Storage is blocked: the choice holds for this page. */ }
  };

  // --- times: in the browser's zone, or in UTC everywhere
  let inUtc = stored("zone") === "UTC";
  const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
  const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
  const relative = new Intl.RelativeTimeFormat(root.lang || undefined, { numeric: "auto", style: "short" });
  const ago = (date) => {
    const seconds = (date - Date.now()) / 1000;
    const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) || ["second", 1];
    return relative.format(Math.trunc(seconds / size), unit);
  };
  const utc = (date) => date.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
  const absolute = (date) => (inUtc ? utc(date) : clock.format(date));
  const showTimes = (within = document) => {
    // A day without a time of day stays as it is.
    for (const time of all("time[datetime*=T]", within)) {
      const date = new Date(time.dateTime);
      time.textContent = "relative" in time.dataset && !inUtc ? ago(date) : absolute(date);
      time.title = `${clock.format(date)} · ${utc(date)}`;
    }
    for (const button of all("[data-zone]", within)) {
      button.textContent = `${word("times")}: ${zoneName()}`;
    }
  };
  const switchZone = () => {
    inUtc = !inUtc;
    store("zone", inUtc ? "UTC" : null);
    showTimes();
    showMoments();
    showCharts();
    say(document.querySelector("[data-zone]")?.textContent);
  };

  // --- searches: moments are typed in the zone that is shown and sent in UTC; an address has no empty fields
  const zoneName = () => (inUtc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone);
  const prepareMoment = (input) => {
    const sent = Object.assign(document.createElement("input"), { type: "hidden", name: input.name, value: input.value });
    input.removeAttribute("name");
    input.value = "";
    input.type = "datetime-local";
    input.after(sent);
    input.sent = sent;
    input.addEventListener("change", () => {
      const date = new Date(inUtc ? `${input.value}Z` : input.value);
      sent.value = Number.isNaN(date.getTime()) ? "" : `${date.toISOString().slice(0, 16)}Z`;
    });
  };
  const showMoments = () => {
    for (const input of all("input[data-moment]")) {
      if (!input.sent) prepareMoment(input);
      const text = input.sent.value;
      const date = new Date(/T.*(Z|[+-]\d\d:?\d\d)$|^[^T]*$/i.test(text) ? text : `${text}Z`);
      const shift = inUtc ? 0 : date.getTimezoneOffset() * 60000;
      input.value = Number.isNaN(date.getTime()) ? "" : new Date(date - shift).toISOString().slice(0, 16);
      input.labels[0].textContent = `${input.dataset.moment} (${zoneName()})`;
    }
  };
  document.addEventListener("change", ({ target }) => {
    if (target.dataset.times) byId(target.dataset.times).toggleAttribute("data-unused", target.value !== "custom");
  });
  document.addEventListener("submit", ({ target: form }) => {
    if (!("tidy" in form.dataset)) return;
    const time = form.elements.time?.value;
    for (const zone of all("[data-browser-zone]", form)) zone.value = time === "today" ? zoneName() : "";
    for (const input of all("[data-moment]", form)) if (time !== "custom") input.sent.value = "";
    const empty = [...form.elements].filter((field) => field.name && !field.value);
    for (const field of empty) field.disabled = true;
    // The page may come back out of the browser's memory.
    setTimeout(() => { for (const field of empty) field.disabled = false; });
  });

  // --- theme: as the system has it, light, dark
  const showTheme = () => {
    const theme = root.dataset.theme || "auto";
    for (const button of all("[data-theme-switch]")) button.textContent = word(theme);
  };
  const switchTheme = () => {
    const order = ["auto", "light", "dark"];
    const theme = order[(order.indexOf(root.dataset.theme || "auto") + 1) % 3];
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    store("theme", theme === "auto" ? null : theme);
    showTheme();
    say(word(theme));
    showCharts();
  };

  // --- copying
  const copy = async (button) => {
    const source = document.querySelector(button.dataset.copy);
    const text = source.value ?? source.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS a browser offers this way only.
      const area = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
      (button.closest("dialog") || document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    const label = button.dataset.label ??= button.textContent;
    button.textContent = word("copied");
    say(word("copied"));
    setTimeout(() => { button.textContent = label; }, 2000);
  };

  // --- questions before an act
  const ask = (element) => new Promise((resolve) => {
    const dialog = byId("confirm");
    const name = element.dataset.typeToConfirm;
    const row = dialog.querySelector(".row");
    const input = row.querySelector("input");
    const yes = dialog.querySelector("[value=yes]");
    dialog.querySelector("p").textContent = element.dataset.confirm;
    dialog.querySelector("[data-name]").textContent = name || "";
    row.hidden = !name;
    input.value = "";
    yes.textContent = element.dataset.confirmText || element.textContent.trim();
    yes.className = element.classList.contains("bad") ? "bad" : "";
    const judge = () => { yes.disabled = Boolean(name) && input.value !== name; };
    input.oninput = judge;
    judge();
    dialog.returnValue = "";
    dialog.onclose = () => resolve(dialog.returnValue === "yes" ? input.value || true : false);
    dialog.showModal();
  });
  const confirmed = new WeakSet();
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const asking = event.submitter?.dataset.confirm ? event.submitter : form.dataset.confirm ? form : null;
    if (!asking || confirmed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const submitter = event.submitter;
    const answer = await ask(asking);
    if (!answer) return;
    if (asking.dataset.typeToConfirm) {
      form.querySelector("input[name=confirmed]")?.remove();
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: answer }));
    }
    confirmed.add(form);
    form.requestSubmit(submitter);
  }, true);

  // --- clicks
  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest(selector);
    const button = on("button");
    if (button?.dataset.copy) copy(button);
    else if (on("[data-zone]")) switchZone();
    else if (on("[data-theme-switch]")) switchTheme();
    else if (on("[data-dismiss]")) on(".flash").remove();
    else if (on("[data-keys]")) byId("keys").showModal();
    else if (button?.dataset.pause) {
      const paused = byId(button.dataset.pause).toggleAttribute("data-paused");
      button.setAttribute("aria-pressed", paused);
      button.textContent = word(paused ? "resume" : "pause");
    }
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });

  // --- keyboard
  let going = 0;
  const step = (by) => {
    const rows = [...all("main tbody tr")].filter((row) => row.querySelector("a, button, summary"));
    const now = rows.findIndex((row) => row.contains(document.activeElement));
    const row = rows[now < 0 ? (by > 0 ? 0 : rows.length - 1) : now + by];
    row?.querySelector("a, button, summary").focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") for (const menu of all("details.menu[open]")) { menu.open = false; menu.firstElementChild.focus(); }
    if (event.target.closest("input, select, textarea, [contenteditable], dialog")) return;
    if (event.timeStamp < going) {
      going = 0;
      const link = [...all("[data-key]")].find((each) => each.dataset.key === event.key);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const search = document.querySelector("main input[type=search]");
    if (event.key === "/" && search) { event.preventDefault(); search.focus(); search.select(); }
    else if (event.key === "g") going = event.timeStamp + 1500;
    else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
    else if (event.key === "z") switchZone();
    else if (event.key === "?") byId("keys")?.showModal();
  });

  // --- charts: uPlot and charts.js are loaded when a page has one
  let plotter = null;
  const load = (src) => new Promise((resolve, reject) => {
    document.head.append(Object.assign(document.createElement("script"), { src, onload: resolve, onerror: reject }));
  });
  const loadPlotter = async () => {
    const { library, script, style } = document.querySelector("meta[name=charts]").dataset;
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: style }));
    await load(library);
    await load(script);
  };
  const showCharts = async (within = document) => {
    const figures = all("figure.chart[data-chart]", within);
    if (!figures.length) return;
    await (plotter ??= loadPlotter());
    for (const figure of figures) window.drawChart(figure, { absolute, inUtc });
  };

  // --- htmx
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    const token = document.querySelector("meta[name=csrf]");
    if (token && ctx.request.method !== "GET") ctx.request.headers["X-CSRF-Token"] = token.content;
  });
  document.addEventListener("htmx:before:request", (event) => {
    const live = event.target.closest("[data-live]");
    if (live === event.target && (live.hasAttribute("data-paused") || document.hidden)) event.preventDefault();
  });
  document.addEventListener("htmx:before:swap", (event) => {
    // What is the same is neither announced again nor taken from under a selection.
    const { sourceElement, text } = event.detail.ctx;
    if (!sourceElement?.matches?.("[data-live]")) return;
    if (sourceElement.shownText === text) event.preventDefault();
    sourceElement.shownText = text;
  });
  document.addEventListener("htmx:confirm", (event) => {
    event.preventDefault();
    event.target.dataset.confirm ||= event.detail.ctx.confirm;
    ask(event.target).then((answer) => (answer ? event.detail.issueRequest() : event.detail.dropRequest()));
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    const within = ctx.target?.isConnected ? ctx.target.parentElement || ctx.target : document;
    showTimes(within);
    showCharts(within);
  });
  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
    // A page that is no longer signed in starts anew; another failure is said, and what is shown stays.
    if (ctx.response.status === 401) location.reload();
    else if (ctx.response.status >= 500) say(word("failed"));
  });
  document.addEventListener("htmx:error", () => say(word("failed")));

  document.addEventListener("DOMContentLoaded", () => {
    showTimes();
    showMoments();
    showTheme();
    showCharts();
    // On a phone the navigation scrolls.
    for (const here of all("header nav [aria-current], .tabs [aria-current]")) {
      const strip = here.offsetParent;
      strip.scrollLeft = here.offsetLeft - strip.clientWidth / 2;
    }
    setInterval(() => { if (!document.hidden) showTimes(); }, 30000);
  });
})();

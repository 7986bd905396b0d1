/* What the browser does alone: the colour scheme, the URL's query, the page's title.
   Here: functions that callbacks name. Not here: numbers. */

window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
  /* A number as dashboards/words.py writes it: thousands apart, a true minus, null as a dash. */
  written: (value) => value == null ? "\u2013" : Number(value).toLocaleString("en").replace("-", "\u2212"),

  /* numerator / denominator; the cell's value, by which it is sorted, stays the numerator. */
  over: (value, denominator) => value == null || denominator == null ? "\u2013" :
    Number(value).toLocaleString("en") + " / " + Number(denominator).toLocaleString("en"),

  themeFloe: (theme) => theme.withParams({
    fontFamily: "inherit",
    fontSize: 13,
    wrapperBorderRadius: 6,
    backgroundColor: "var(--floe-surface)",
    foregroundColor: "var(--floe-text)",
    headerBackgroundColor: "var(--floe-page)",
    borderColor: "var(--floe-line)",
    accentColor: "var(--floe-accent)",
  }),
});

const floeConnection = {
  every_ms: 5000,
  answeredAt: new Date(),
  isLost: false,

  /* Asks whether the server is there; says since when it is not. What a lost server owed is asked again when it is back. */
  look: async function () {
    const banner = document.getElementById("connection");
    if (!banner) return;
    try {
      const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(4000) });
      if (!answer.ok) throw new Error(answer.status);
      if (this.isLost) window.location.reload();
      this.answeredAt = new Date();
    } catch {
      this.isLost = true;
      banner.textContent = "Connection to Floe lost: no answer since " + this.answeredAt.toLocaleTimeString() +
        ". What stands here is of then, and nothing that is chosen now can be shown.";
    }
  },
};
window.setInterval(() => floeConnection.look(), floeConnection.every_ms);
window.addEventListener("offline", () => floeConnection.look());

/* The query that the page's figures are of, null before there are any; dimmed while it is another than the URL's. Which
   alert is opened changes no figure. */
const floeShown = { search: null };
const floeChoice = (search) => {
  const query = new URLSearchParams(search || "");
  query.delete("alert");
  return query.toString();
};
const floeCompare = (search) =>
  floeMark(floeShown.search !== null && floeChoice(floeShown.search) !== floeChoice(search));
const floeMark = (isAnother) => {
  document.documentElement.classList.toggle("of-another-selection", isAnother);
  document.getElementById("main")?.setAttribute("aria-busy", String(isAnother));
};

window.dash_clientside = Object.assign(window.dash_clientside || {}, {
  floe: {
    /* The kept scheme, else the system's; the switch turns it round. */
    scheme: function (clicks, kept) {
      const system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      const now = kept || system;
      const next = clicks && window.dash_clientside.callback_context.triggered_id ? (now === "dark" ? "light" : "dark") : now;
      document.documentElement.dataset.agThemeMode = next;
      return [next, next, next === "dark" ? "Light" : "Dark"];
    },

    /* A control's value into the URL's query; the same value changes nothing. */
    choose: function (value, id) {
      const name = id.replace("choose-", "");
      const query = new URLSearchParams(window.location.search);
      if ((query.get(name) || null) === (value || null)) return;
      if (value) query.set(name, value);
      else query.delete(name);
      const search = query.toString();
      floeMark(true);
      window.history.pushState({}, "", window.location.pathname + (search ? "?" + search : ""));
      window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    },

    /* The URL's query into a control: links and the back button. */
    chosen: function (search, id) {
      return new URLSearchParams(search || "").get(id.replace("choose-", ""));
    },

    /* Figures have arrived: those of this query. */
    settled: function (shownFor) {
      floeShown.search = shownFor ?? null;
      floeCompare(window.location.search);
    },

    searched: (search) => floeCompare(search),

    title: function (pathname, titles) {
      floeShown.search = null;
      floeMark(false);
      document.title = (titles[pathname] || "Not found") + " · Floe";
    },

    paused: (isPaused) => Boolean(isPaused),
  },
});

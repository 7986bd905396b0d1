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
      window.history.pushState({}, "", window.location.pathname + (search ? "?" + search : ""));
      window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    },

    /* The URL's query into a control: links and the back button. */
    chosen: function (search, id) {
      return new URLSearchParams(search || "").get(id.replace("choose-", ""));
    },

    title: function (pathname, titles) {
      document.title = (titles[pathname] || "Not found") + " · Floe";
    },

    paused: (isPaused) => Boolean(isPaused),
  },
});

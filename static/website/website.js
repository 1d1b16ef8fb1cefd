/* What a page gains from a script: the theme toggle, copy buttons, tabs, menus that close. Without it all content is there. */
(() => {
  "use strict";

  const root = document.documentElement;

  function isDark() {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function toggleTheme() {
    const theme = isDark() ? "light" : "dark";
    root.dataset.theme = theme;
    try {
      localStorage.setItem("omixa-theme", theme);
    } catch {
      /* Not remembered: it still holds for this page. */
    }
    document.dispatchEvent(new CustomEvent("omixa:theme"));
  }

  async function textToCopy(button) {
    if (button.dataset.copyUrl) {
      const answer = await fetch(button.dataset.copyUrl, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(`${answer.status}`);
      return answer.text();
    }
    if (button.dataset.copy) return button.dataset.copy;
    return document.getElementById(button.dataset.copyFrom).textContent;
  }

  async function copy(button) {
    const label = button.querySelector("[data-label]") ?? button;
    const before = label.dataset.before ?? label.textContent;
    label.dataset.before = before;
    try {
      await navigator.clipboard.writeText(await textToCopy(button));
      label.textContent = "Copied";
      announce("Copied to the clipboard");
    } catch {
      label.textContent = "Press Ctrl+C";
      select(button.dataset.copyFrom);
    }
    setTimeout(() => (label.textContent = before), 1800);
  }

  function select(id) {
    const source = id && document.getElementById(id);
    if (source) getSelection().selectAllChildren(source);
  }

  function announce(text) {
    const region = document.getElementById("announcer");
    if (region) region.textContent = text;
  }

  /* Sections with headings become tabs; the one chosen is remembered by its name for the next page. */
  function makeTabs(tabs) {
    if (tabs.dataset.ready) return;
    tabs.dataset.ready = "yes";
    const panels = [...tabs.querySelectorAll(":scope > section")];
    const list = document.createElement("div");
    list.className = "tabs__list";
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", tabs.dataset.tabs);
    const buttons = panels.map((panel, index) => tabFor(panel, index, list));
    const show = (chosen, focus) => {
      buttons.forEach((button, index) => {
        button.setAttribute("aria-selected", index === chosen);
        button.tabIndex = index === chosen ? 0 : -1;
        panels[index].hidden = index !== chosen;
      });
      if (focus) buttons[chosen].focus();
      sessionSet(`omixa-tab-${tabs.dataset.tabs}`, buttons[chosen].textContent);
    };
    buttons.forEach((button, index) => button.addEventListener("click", () => show(index)));
    list.addEventListener("keydown", (event) => {
      const at = buttons.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      show((to + buttons.length) % buttons.length, true);
    });
    tabs.prepend(list);
    const remembered = sessionGet(`omixa-tab-${tabs.dataset.tabs}`);
    show(Math.max(0, buttons.findIndex((button) => button.textContent === remembered)));
  }

  function tabFor(panel, index, list) {
    const button = document.createElement("button");
    button.type = "button";
    button.id = `${panel.id}-tab`;
    button.textContent = panel.dataset.tab;
    button.setAttribute("role", "tab");
    button.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", button.id);
    list.append(button);
    return button;
  }

  function sessionGet(name) {
    try { return sessionStorage.getItem(name); } catch { return null; }
  }

  function sessionSet(name, value) {
    try { sessionStorage.setItem(name, value); } catch { /* not remembered */ }
  }

  function prepare(within) {
    within.querySelectorAll("[data-tabs]").forEach(makeTabs);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from], [data-copy-url]");
    if (button) {
      event.preventDefault();
      copy(button);
    }
    if (event.target.closest("[data-theme-toggle]")) toggleTheme();
    document.querySelectorAll("details.switcher[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.switcher[open], details.mobile-bar[open]").forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });

  document.addEventListener("change", (event) => {
    if (event.target.dataset.picks) {
      const [name, value] = event.target.dataset.picks.split("=");
      event.target.form.elements[name].value = value;
    }
    if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });

  /* A page that came out of a form and must not be sent again takes the address of where it leads to. */
  const elsewhere = document.querySelector("[data-address]");
  if (elsewhere) history.replaceState(null, "", elsewhere.dataset.address);

  document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));
  prepare(document);
})();

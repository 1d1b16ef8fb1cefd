/* Before the first paint: the theme this browser chose last time, so that no page flashes in the other one. */
(() => {
  "use strict";
  try {
    const theme = localStorage.getItem("omixa-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    /* Storage is closed to us: the system's preference stands. */
  }
  document.documentElement.classList.add("js");
})();

/* The form of filters stays while what it finds is replaced: what was chosen, and where the focus is, are kept. */
(() => {
  "use strict";

  const SLOW_MS = 250;
  const SIGNED_OUT = "Nothing was loaded: your session has ended. Load the page again to sign in.";
  const form = document.querySelector("[data-filters]");
  if (!form) return;
  const busy = form.querySelector("[data-busy]");
  const failure = form.querySelector("[data-failure]");
  let sent = new Map();
  let waiting;

  const found = () => document.getElementById("found");
  const fields = (of) => [...of.elements].filter((field) => field.name);

  function begin() {
    sent = new Map(fields(form).map((field) => [field.name, field.value]));
    failure.hidden = true;
    found().setAttribute("aria-busy", "true");
    clearTimeout(waiting);
    waiting = setTimeout(() => (busy.hidden = false), SLOW_MS);
  }

  function end() {
    clearTimeout(waiting);
    busy.hidden = true;
    found().removeAttribute("aria-busy");
  }

  function fail(text) {
    failure.textContent = text;
    failure.hidden = false;
  }

  /* The answer's form knows more: days of the chosen range, models used in it. What was chosen meanwhile stays. */
  function follow(answer) {
    for (const fresh of fields(answer)) {
      const field = form.elements[fresh.name];
      if (!field || field === document.activeElement || field.value !== sent.get(fresh.name)) continue;
      if (field.tagName === "SELECT") field.replaceChildren(...fresh.cloneNode(true).children);
      field.value = fresh.value;
    }
  }

  const mine = (event) => event.detail.elt === form;

  form.addEventListener("htmx:beforeRequest", (event) => mine(event) && begin());
  form.addEventListener("htmx:sendError", () => fail("Nothing was loaded: the server cannot be reached. Check the connection, then press Apply."));
  form.addEventListener("htmx:timeout", () => fail("Nothing was loaded: the server took too long. Press Apply to try again."));
  form.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    fail(status === 401 || status === 403 ? SIGNED_OUT : `Nothing was loaded: the server answered ${status}. Press Apply to try again.`);
  });
  /* Without figures in it an answer is another page: the sign-in, where the session has ended. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.requestConfig.elt !== form || event.detail.isError || event.detail.xhr.responseText.includes('id="found"')) return;
    event.detail.shouldSwap = false;
    fail(SIGNED_OUT);
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    if (!mine(event)) return;
    end();
    if (!event.detail.successful) return;
    const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
    const answer = page.querySelector("[data-filters]");
    if (answer) follow(answer);
    document.getElementById("announcer").textContent = "The figures are up to date.";
  });
})();

/* The document's Print button, and its title in the margin of each printed page, which no style sheet can read from it. */
(() => {
  "use strict";

  const title = JSON.stringify(document.querySelector("h1").textContent.replace(/[\r\n\f\\]/g, " "));
  const margin = new CSSStyleSheet();
  margin.replaceSync(`@page { @bottom-left { content: ${title}; font: 8pt sans-serif; color: #586070; } }`);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, margin];
  document.querySelector("[data-print]").addEventListener("click", () => window.print());
})();

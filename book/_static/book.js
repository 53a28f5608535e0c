/* Small mends of the theme for readers who use a keyboard or a screen reader. */
(() => {
  "use strict";

  /* What scrolls sideways must take the focus, or no key can scroll it. */
  function focusWhatScrolls() {
    for (const box of document.querySelectorAll("article pre, .mc-scroll, div.math, .output.text_html")) {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      if (scrolls) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }

  /* A wide table scrolls in a box of its own, not the whole page. */
  function wrapTables() {
    for (const table of document.querySelectorAll("article table")) {
      if (table.parentElement.classList.contains("mc-scroll")) continue;
      const box = document.createElement("div");
      box.className = "mc-scroll";
      table.replaceWith(box);
      box.append(table);
    }
  }

  function nameWhatHasNoName() {
    for (const summary of document.querySelectorAll("nav summary, .bd-sidebar summary")) {
      const chapter = summary.closest("li")?.querySelector("a")?.textContent.trim();
      summary.setAttribute("aria-label", `Sections of ${chapter}`);
    }
  }

  /* A list must hold list items; the bibliography's entries are not. */
  function unlist() {
    for (const list of document.querySelectorAll(".citation-list[role=list]")) list.removeAttribute("role");
  }

  document.addEventListener("DOMContentLoaded", () => {
    wrapTables();
    unlist();
    nameWhatHasNoName();
    focusWhatScrolls();
    window.addEventListener("resize", focusWhatScrolls);
    window.MathJax?.startup?.promise?.then(focusWhatScrolls);
    window.addEventListener("load", focusWhatScrolls);
  });
})();

// Adds the reader's own time beside each UTC time, and shows what needs a script.
// Nothing here is needed to read or to act.
"use strict";
(() => {
  const SHOWN = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  const format = new Intl.DateTimeFormat(undefined, SHOWN);

  function beside(element, instant) {
    const next = element.nextElementSibling;
    const label = next && next.classList.contains("local") ? next : document.createElement("span");
    label.className = "local";
    const isSame = Number.isNaN(instant.getTime()) || instant.getTimezoneOffset() === 0;
    label.textContent = isSame ? "" : ` ${format.format(instant)}`;
    if (label !== next) element.after(label);
  }

  function localize(root) {
    root.querySelectorAll("time[datetime]:not([data-day]):not([data-local])").forEach((element) => {
      element.dataset.local = "";
      const instant = new Date(element.dateTime);
      if (element.closest("caption, option") || Number.isNaN(instant.getTime())) return;
      beside(element, instant);
    });
    root.querySelectorAll("input[data-utc]:not([data-local])").forEach((input) => {
      input.dataset.local = "";
      const show = () => beside(input, new Date(`${input.value}Z`));
      input.addEventListener("input", show);
      show();
    });
  }

  document.documentElement.classList.add("js");
  localize(document);
  document.addEventListener("htmx:load", (event) => localize(event.detail.elt.parentElement || document));
})();

// The page is complete without this: it filters, sorts, and opens what a link leads to.
"use strict";
const list = document.getElementById("operators");
const rows = [...list.querySelectorAll(".operator")];
const filter = document.getElementById("filter");
const order = document.getElementById("order");
const count = document.getElementById("count");
document.querySelector(".tools").hidden = false;
function show() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    row.hidden = !words.every((w) => row.dataset.spec.toLowerCase().includes(w));
    shown += row.hidden ? 0 : 1;
  }
  count.textContent = shown + " of " + rows.length;
}
function sort() {
  const by = order.value;
  const value = (row) => Number(row.dataset[by]);
  const sorted = [...rows].sort((a, b) => (by === "place" ? value(a) - value(b) : value(b) - value(a)));
  list.append(...sorted);
}
function open() {
  const row = location.hash && document.getElementById(location.hash.slice(1));
  if (row instanceof HTMLDetailsElement) {
    row.open = true;
    row.scrollIntoView();
    row.querySelector("summary").focus({ preventScroll: true });
  }
}
filter.addEventListener("input", show);
order.addEventListener("change", sort);
addEventListener("hashchange", open);
addEventListener("keydown", (e) => {
  const typing = e.target instanceof HTMLInputElement || e.target instanceof HTMLSelectElement;
  if (e.key === "/" && !typing) {
    e.preventDefault();
    filter.focus();
  } else if (e.key === "Escape" && e.target === filter) {
    filter.value = "";
    show();
  } else if ((e.key === "j" || e.key === "k") && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) {
    const heads = rows.filter((r) => !r.hidden).sort((a, b) => (a.compareDocumentPosition(b) & 4 ? -1 : 1)).map((r) => r.querySelector("summary"));
    const at = heads.indexOf(document.activeElement);
    const next = heads[at < 0 ? 0 : at + (e.key === "j" ? 1 : -1)];
    if (next) next.focus();
  }
});
show();
open();

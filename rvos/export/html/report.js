// Sorting and finding. Without it the page reads the same.
document.documentElement.classList.add("js");

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => row.cells[column].textContent.trim();
  table.querySelectorAll("th").forEach((cell, column) => {
    if (!cell.textContent) return;
    cell.tabIndex = 0;
    const sort = () => {
      const upward = cell.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", upward ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => value(a, column).localeCompare(value(b, column), "en", { numeric: true }));
      body.append(...(upward ? rows : rows.reverse()));
    };
    cell.addEventListener("click", sort);
    cell.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
}

const find = document.getElementById("find");
find?.addEventListener("input", () => {
  const wanted = find.value.trim().toLowerCase();
  let found = 0;
  for (const group of document.querySelectorAll("#over-time details")) {
    let inside = 0;
    for (const card of group.querySelectorAll(".card")) {
      card.hidden = !card.querySelector("header").textContent.toLowerCase().includes(wanted);
      inside += !card.hidden;
    }
    group.hidden = !inside;
    if (wanted) group.open = inside > 0 && found < 200;
    found += inside;
  }
  document.getElementById("found").textContent = wanted ? `${found} found` : "";
});

"use strict";
const specs = JSON.parse(document.getElementById("specs")?.textContent ?? "[]");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Colours and type of the charts, as the page's styles have them. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const colors = (name) => color(name).split(/\s+/);
  const font = getComputedStyle(document.body).fontFamily;
  const text = { labelColor: color("muted"), titleColor: color("muted"), labelFont: font, titleFont: font,
    labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
  return {
    background: "transparent", font,
    axis: { ...text, domainColor: color("line"), tickColor: color("line"), gridColor: color("line"),
      gridOpacity: 0.6, titlePadding: 8, labelOverlap: true },
    legend: { ...text, labelColor: color("text"), symbolType: "circle", symbolSize: 80, labelLimit: 220 },
    view: { stroke: null }, line: { strokeWidth: 2 },
    range: { category: colors("category"), ordinal: { scheme: colors("ordinal") } },
  };
}

/** Say that the charts cannot be drawn, and show their tables in their place. */
function showTables() {
  document.getElementById("missing").hidden = false;
  for (const place of document.querySelectorAll(".chart")) {
    place.hidden = true;
    place.parentElement.querySelector("details").open = true;
  }
  document.documentElement.dataset.drawn = "tables";
}

async function draw() {
  if (specs.length && typeof vegaEmbed === "undefined") return showTables();
  for (const place of document.querySelectorAll(".chart")) {
    const options = { actions: false, ast: true, renderer: place.dataset.renderer, config: theme(),
      tooltip: { theme: dark.matches ? "dark" : "light" } };
    place.view?.finalize();
    place.view = (await vegaEmbed(place, specs[place.dataset.spec], options)).view;
  }
  document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
}

document.addEventListener("input", ({ target }) => {
  if (target.matches(".compare input")) target.parentElement.style.setProperty("--at", `${target.value}%`);
});
dark.addEventListener("change", draw);
draw();

"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const slider = document.getElementById("level");

  // The representative of the component of every leaf at a level: the elder survives.
  function eldest({ births, merges }, level) {
    const parent = births.map((_, leaf) => leaf);
    const root = (leaf) => (parent[leaf] === leaf ? leaf : root(parent[leaf]));
    for (const [elder, younger, at] of merges) {
      if (at <= level) parent[root(younger)] = root(elder);
    }
    return births.map((birth, leaf) => (birth <= level ? root(leaf) : -1));
  }

  function cursor(chart, level) {
    const svg = document.querySelector(`#${chart.id} svg`);
    let line = svg.querySelector(".cursor");
    if (!line) {
      line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      line.setAttribute("class", "cursor ink-line");
      line.setAttribute("stroke-width", "1.5");
      svg.append(line);
    }
    const { low, high, start, stop, logarithmic } = chart.scale;
    const inner = (value) => (logarithmic ? Math.log10(value) : value);
    const share = (inner(level) - inner(low)) / (inner(high) - inner(low));
    const at = start + Math.min(1, Math.max(0, share)) * (stop - start);
    const [one, other] = chart.upright ? ["y", "x"] : ["x", "y"];
    line.setAttribute(`${one}1`, at);
    line.setAttribute(`${one}2`, at);
    line.setAttribute(`${other}1`, chart.ends[0]);
    line.setAttribute(`${other}2`, chart.ends[1]);
  }

  function paint(level, roots) {
    const { losses, basins, shades, colours, low, high } = data.map;
    const [tall, wide] = [losses.length, losses[0].length];
    const canvas = document.createElement("canvas");
    canvas.width = wide;
    canvas.height = tall;
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(wide, tall);
    const inside = (j, i) => losses[j][i] !== null && losses[j][i] <= level;
    let edge = 1e-9;
    losses.forEach((row, j) => row.forEach((_, i) => {
      if (inside(j, i)) edge = Math.max(edge, shades[j][i]);
    }));
    losses.forEach((row, j) => row.forEach((_, i) => {
      const shade = shades[j][i];
      const colour = inside(j, i) ? colours[roots[basins[j][i]]] : null;
      for (let k = 0; k < 3; k += 1) {
        image.data[4 * ((tall - 1 - j) * wide + i) + k] = colour
          ? colour[k] + 0.5 * (shade / edge) * (255 - colour[k])
          : low[k] + shade * (high[k] - low[k]);
      }
      image.data[4 * ((tall - 1 - j) * wide + i) + 3] = 255;
    }));
    pen.putImageData(image, 0, 0);
    document.querySelector("#map image").setAttribute("href", canvas.toDataURL());
  }

  function many(count, plural) {
    return `${count} ${count === 1 ? plural.slice(0, -1) : plural}`;
  }

  function show() {
    const level = data.levels[Number(slider.value)];
    let words = `${data.unit} ≤ ${Number(level.toPrecision(4))}`;
    data.trees.forEach((tree, number) => {
      const roots = eldest(tree, level);
      const alive = [...new Set(roots.filter((leaf) => leaf >= 0))];
      const groups = document.getElementById(`groups-${number}`);
      if (groups) {
        const members = alive.map((leaf) => data.names.filter((_, k) => roots[k] === leaf));
        groups.textContent =
          `${many(alive.length, "components")}: ${members.map((m) => `{${m.join(", ")}}`).join("  ")}`;
      } else {
        words += `: ${many(alive.length, "components")}`;
      }
      if (data.map) paint(level, roots);
    });
    if (data.map) {
      const loops = data.loops.filter(
        ([birth, death]) => birth <= level && (death === null || level < death),
      );
      words += `, ${many(loops.length, "loops")}`;
    }
    slider.nextElementSibling.textContent = words;
    for (const chart of data.charts) cursor(chart, level);
  }

  slider.addEventListener("input", show);
  show();
  document.documentElement.dataset.drawn = "yes";
})();

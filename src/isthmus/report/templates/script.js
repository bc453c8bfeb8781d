"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const chosen = { ...data.chosen };
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const number = (value) => Number(value.toPrecision(4));
  const config = { displayModeBar: false, responsive: true };

  function layout(extra) {
    return {
      font: { family: getComputedStyle(document.body).fontFamily, color: colour("soft"), size: 13 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 62, r: 22, t: 18, b: 48 },
      showlegend: false,
      hoverlabel: {
        bgcolor: colour("card"), bordercolor: colour("rule"), font: { color: colour("ink") },
      },
      ...extra,
    };
  }

  function axis(extra) {
    return {
      gridcolor: colour("rule"), linecolor: colour("rule"), zeroline: false, automargin: true,
      ...extra,
    };
  }

  function barriers() {
    const curves = data.barriers[chosen.data] ?? {};
    const traces = Object.entries(curves).map(([name, curve]) => ({
      x: curve.x,
      y: curve.series[chosen.measure],
      customdata: curve.t,
      mode: "lines+markers",
      line: { color: colour(curve.tone), width: 3, shape: "linear" },
      marker: { size: 5, color: colour(curve.tone) },
      fill: name === "naive" && chosen.measure === "loss" ? "tozeroy" : "none",
      fillcolor: `${colour(curve.tone)}14`,
      hovertemplate: `${curve.label}<br>t = %{customdata:.2f}<br>` +
        `${chosen.measure} %{y:.4g}<extra></extra>`,
      name,
    }));
    const marks = data.places.map((place) => ({
      type: "line", x0: place.x, x1: place.x, y0: 0, y1: 1, yref: "paper",
      line: { color: colour("rule"), width: 1, dash: "dot" },
    }));
    if (data.jump && curves.home) {
      const x = data.places.at(-1).x;
      const y = curves.home.series[chosen.measure].at(-1);
      traces.push({
        x: [curves.home.x.at(-1), x], y: [y, y], mode: "lines+markers",
        line: { color: colour("home"), width: 2, dash: "dot" },
        marker: { size: [0, 11], symbol: "circle-open", color: colour("home"), line: { width: 2.5 } },
        hovertemplate: `jump to B: ${data.jump}<extra></extra>`, name: "jump",
      });
    }
    Plotly.react("barrier-chart", traces, layout({
      shapes: marks,
      hovermode: "closest",
      xaxis: axis({
        tickvals: data.places.map((place) => place.x), range: [-0.04, 2.06],
        ticktext: data.places.map((place) => place.label), tickfont: { size: 15 }, showgrid: false,
      }),
      yaxis: axis({
        title: { text: chosen.measure },
        tickformat: chosen.measure === "accuracy" ? ".0%" : "",
        rangemode: chosen.measure === "loss" ? "tozero" : "normal",
      }),
    }), config);
  }

  function distances() {
    const { names, before, after } = data.distances;
    const node = document.getElementById("distance-chart");
    node.style.height = `${Math.max(12, 4.5 + 2.1 * names.length)}rem`;
    const bars = (values, tone, label) => ({
      type: "bar", orientation: "h", y: names, x: values, name: label,
      marker: { color: colour(tone) },
      hovertemplate: `%{y} ${label}<br>%{x:.4g}<extra></extra>`,
    });
    Plotly.react(node, [
      bars(before, "naive", "A to B, before"),
      bars(after, "aligned", "A to B′, after"),
    ], layout({
      barmode: "group", bargap: 0.35, bargroupgap: 0.08, showlegend: true,
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", traceorder: "normal" },
      margin: { l: 20, r: 22, t: 36, b: 48 },
      xaxis: axis({ title: { text: "Euclidean distance" }, rangemode: "tozero" }),
      yaxis: axis({ autorange: "reversed", showgrid: false, ticksuffix: "  " }),
    }), config);
  }

  function draw() {
    barriers();
    if (data.distances.names.length) distances();
  }

  for (const group of document.querySelectorAll("[data-toggle]")) {
    group.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      chosen[group.dataset.toggle] = button.dataset.value;
      for (const other of group.querySelectorAll("button")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      barriers();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
  document.documentElement.dataset.drawn = "yes";
})();

"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  function draw(figure, number) {
    const node = document.getElementById(figure.id);
    const traces = figure.sections[number].meshes.map((mesh) => ({
      type: "mesh3d", ...mesh, hoverinfo: "name+x+y+z", flatshading: false,
      lighting: { ambient: 0.55, diffuse: 0.6, specular: 0.08, roughness: 0.9 },
      lightposition: { x: -400, y: -900, z: 1200 }, showlegend: true, opacity: 1,
    }));
    const axis = (k) => ({
      title: { text: figure.axes[k] }, range: [-figure.ranges[k], figure.ranges[k]],
      color: colour("soft"), gridcolor: colour("rule"), zerolinecolor: colour("soft"),
      showbackground: false,
    });
    const layout = {
      font: { family: getComputedStyle(document.body).fontFamily, color: colour("soft"), size: 13 },
      paper_bgcolor: "rgba(0,0,0,0)", margin: { l: 0, r: 0, t: 0, b: 0 }, uirevision: "kept",
      legend: { orientation: "h", x: 0, y: 0, itemclick: "toggle" },
      scene: {
        xaxis: axis(0), yaxis: axis(1), zaxis: axis(2), aspectmode: "cube", uirevision: "kept",
        camera: { eye: { x: 1.2, y: -1.95, z: 0.95 }, center: { x: 0, y: 0, z: -0.1 } },
      },
    };
    Plotly.react(node, traces, layout, { displayModeBar: false, responsive: true });
  }

  for (const figure of data.figures) {
    const slider = document.getElementById(`${figure.id}-section`);
    const show = () => {
      const number = slider ? Number(slider.value) : 0;
      if (slider) slider.nextElementSibling.textContent = figure.sections[number].label;
      draw(figure, number);
    };
    if (slider) slider.addEventListener("input", show);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
    show();
  }
  document.documentElement.dataset.drawn = "yes";
})();

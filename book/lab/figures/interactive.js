/* Draws the figures of mc_lib.figures.interactive: curves with a slider, surfaces to turn.

   Each <figure class="mc-interactive"> holds its data as JSON. plotly.min.js lies beside
   this file and is fetched once, when the first figure comes near the window; nothing else
   is fetched. In JupyterLab both come from the server. */
(() => {
  "use strict";
  const here = document.currentScript ? document.currentScript.src : "";
  const NARROW = 560; // px: below it two panels stand one above the other
  const EYE = { radius: 2.1, height: 0.8, azimuth: -62 };
  let loading = null;

  function plotly() {
    if (window.Plotly) return Promise.resolve(window.Plotly);
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL("plotly.min.js", here).href;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("plotly.min.js is missing"));
      document.head.append(script);
    });
    return loading;
  }

  function hasWebGL() {
    const canvas = document.createElement("canvas");
    return Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl"));
  }

  /* Where the text is light the page is dark: the colours follow the page. */
  function ink(figure) {
    const [r, g, b] = getComputedStyle(figure).color.match(/[\d.]+/g);
    return { text: `rgb(${r},${g},${b})`, grid: `rgba(${r},${g},${b},0.22)` };
  }

  function axis(given, colour, more) {
    const base = { gridcolor: colour.grid, zerolinecolor: colour.grid, color: colour.text, exponentformat: "power" };
    return { ...base, ...more, ...given, title: { ...given.title, font: { color: colour.text } } };
  }

  function layoutOf(spec, figure) {
    const colour = ink(figure);
    const narrow = figure.clientWidth < NARROW;
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colour.text, size: 13, family: "system-ui, sans-serif" },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", itemclick: false, itemdoubleclick: false },
      margin: { l: 62, r: 14, t: 44, b: 48 },
      uirevision: spec.name,
      showlegend: true,
      dragmode: false,
      height: 380,
    };
    for (const [key, given] of Object.entries(spec.layout)) {
      if (key !== "scene") layout[key] = axis(given, colour, { ticks: "outside", tickcolor: colour.grid, automargin: true });
    }
    if (spec.layout.scene) {
      const scene = { ...spec.layout.scene, dragmode: "turntable" };
      for (const key of ["xaxis", "yaxis", "zaxis"]) {
        // WebGL draws no transparent lines: a grey that is seen on white and on black
        scene[key] = axis(scene[key], { ...colour, grid: "#999999" }, { showbackground: false, showspikes: false });
      }
      Object.assign(layout, { scene, margin: { l: 0, r: 0, t: 44, b: 0 }, height: narrow ? 340 : 460 });
    }
    if (layout.xaxis2) {
      layout.xaxis.domain = narrow ? [0, 1] : [0, 0.44];
      layout.xaxis2.domain = narrow ? [0, 1] : [0.58, 1];
      layout.yaxis.domain = narrow ? [0.6, 1] : [0, 1];
      layout.yaxis2.domain = narrow ? [0, 0.4] : [0, 1];
      Object.assign(layout.xaxis2, { anchor: "y2" });
      Object.assign(layout.yaxis2, { anchor: "x2" });
      if (narrow) layout.height = 620;
    }
    return layout;
  }

  function slider(figure, name, count, start) {
    const row = document.createElement("div");
    row.className = "mc-slider";
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "range";
    input.id = `${figure.id}-${name}`;
    label.htmlFor = input.id;
    Object.assign(input, { min: 0, max: count, step: 1 });
    input.value = start;
    Object.assign(row.style, { display: "flex", gap: "1em", alignItems: "center" });
    Object.assign(label.style, { minWidth: "8em" });
    Object.assign(input.style, { flex: "1", minWidth: "8em" });
    row.append(label, input);
    figure.append(row);
    return { label, input };
  }

  function eye(azimuth) {
    const angle = (azimuth * Math.PI) / 180;
    return { x: EYE.radius * Math.cos(angle), y: EYE.radius * Math.sin(angle), z: EYE.height };
  }

  /* Dragging is for a mouse; this slider turns a surface from the keyboard too. */
  function turning(figure, plot, Plotly) {
    const { label, input } = slider(figure, "turn", 360, EYE.azimuth + 180);
    const show = () => {
      label.textContent = `turned by ${input.value - 180}°`.replace("-", "−");
      input.setAttribute("aria-valuetext", label.textContent);
    };
    show();
    input.addEventListener("input", () => {
      show();
      Plotly.relayout(plot, { "scene.camera.eye": eye(input.value - 180) });
    });
    plot.on("plotly_relayout", (change) => {
      const at = change["scene.camera"]?.eye;
      if (!at) return;
      input.value = Math.round((Math.atan2(at.y, at.x) * 180) / Math.PI) + 180;
      show();
    });
  }

  async function draw(figure) {
    const spec = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    spec.name = figure.id;
    if (spec.layout.scene && !hasWebGL()) return;
    const Plotly = await plotly();
    const plot = document.createElement("div");
    plot.className = "mc-plot";
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", spec.alt);
    figure.append(plot);
    const text = document.createElement("figcaption");
    text.setAttribute("aria-live", "polite");

    let place = spec.start;
    const traces = () => [...spec.fixed, ...spec.frames[place].traces];
    const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };
    const layout = layoutOf(spec, figure);
    if (layout.scene) layout.scene.camera = { eye: eye(EYE.azimuth), center: { x: 0, y: 0, z: -0.14 } };
    await Plotly.newPlot(plot, traces(), layout, config);
    figure.querySelector(".mc-fallback").hidden = true;

    const again = () => {
      const now = layoutOf(spec, figure);
      if (now.scene) now.scene.camera = plot.layout.scene.camera; // as the reader left it
      return Plotly.react(plot, traces(), now, config);
    };
    if (spec.frames.length > 1) {
      const { label, input } = slider(figure, "slider", spec.frames.length - 1, place);
      const show = () => {
        label.textContent = spec.frames[place].label;
        input.setAttribute("aria-valuetext", `${label.textContent}. ${spec.frames[place].text}`);
        text.textContent = spec.frames[place].text;
      };
      show();
      input.addEventListener("input", () => {
        place = Number(input.value);
        show();
        again();
      });
    } else {
      text.textContent = spec.frames[0].text;
    }
    if (spec.layout.scene) turning(figure, plot, Plotly);
    figure.append(text);

    const dressed = { attributes: true, attributeFilter: ["data-theme", "data-mode", "class"] };
    const watch = new MutationObserver(again);
    watch.observe(document.documentElement, dressed);
    watch.observe(document.body, dressed);
    let narrow = figure.clientWidth < NARROW;
    new ResizeObserver(() => {
      if (narrow !== figure.clientWidth < NARROW) again();
      narrow = figure.clientWidth < NARROW;
    }).observe(figure);
    figure.dataset.state = "ready";
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        draw(target).catch((error) => console.error(`${target.id}: ${error.message}`));
      }
    },
    { rootMargin: "800px" },
  );

  function find() {
    for (const figure of document.querySelectorAll(".mc-interactive:not([data-state])")) {
      figure.dataset.state = "waiting";
      near.observe(figure);
    }
  }
  find();
  document.addEventListener("DOMContentLoaded", find);
  setTimeout(find, 500); // a notebook puts an output on the page after it ran its scripts
})();

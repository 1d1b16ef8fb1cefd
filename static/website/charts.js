/* Draws every canvas[data-chart] from the JSON element it names. The same figures stand in a table beside it. */
(() => {
  "use strict";

  const drawn = new Map();

  /* A custom property as the colour it is right now, in the theme in force. */
  function colour(name) {
    const probe = document.createElement("span");
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  function money(value) {
    if (value === 0) return "$0";
    const places = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 0.1 ? 2 : 4;
    return "$" + value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  }

  function datasets(series) {
    return series.map((one) => ({
      label: one.label,
      data: one.values.map(Number),
      texts: one.texts,
      backgroundColor: colour(`--series-${one.colour}`),
      hoverBackgroundColor: colour(`--series-${one.colour}`),
      borderColor: colour("--surface"),
      borderWidth: { top: 1 },
      borderRadius: 2,
      maxBarThickness: 34,
      categoryPercentage: 0.82,
      barPercentage: 0.92,
    }));
  }

  function axes() {
    const ticks = { color: colour("--muted"), font: { size: 11.5 } };
    return {
      x: { stacked: true, grid: { display: false }, border: { color: colour("--line-strong") }, ticks: { ...ticks, maxRotation: 0, autoSkipPadding: 18 } },
      y: { stacked: true, beginAtZero: true, border: { display: false }, grid: { color: colour("--line") }, ticks: { ...ticks, maxTicksLimit: 5, padding: 8, callback: money } },
    };
  }

  function tooltip(total) {
    return {
      backgroundColor: colour("--raised"), borderColor: colour("--line-strong"), borderWidth: 1, padding: 11, boxPadding: 5, boxWidth: 9, boxHeight: 9, usePointStyle: false,
      titleColor: colour("--text"), bodyColor: colour("--text"), footerColor: colour("--muted"), footerFont: { weight: "normal" },
      filter: (item) => item.raw !== 0,
      itemSort: (a, b) => b.raw - a.raw,
      callbacks: {
        label: (item) => ` ${item.dataset.label}  ${item.dataset.texts[item.dataIndex]}`,
        footer: (items) => (items.length ? `Total ${total[items[0].dataIndex]}` : ""),
      },
    };
  }

  function draw(canvas) {
    const given = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
    drawn.get(canvas)?.destroy();
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    drawn.set(canvas, new Chart(canvas, {
      type: "bar",
      data: { labels: given.labels, datasets: datasets(given.series) },
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        plugins: { legend: { display: false }, tooltip: tooltip(given.totals) },
        scales: axes(),
      },
    }));
  }

  function drawAll() {
    for (const canvas of drawn.keys()) {
      if (!canvas.isConnected) {
        drawn.get(canvas).destroy();
        drawn.delete(canvas);
      }
    }
    document.querySelectorAll("canvas[data-chart]").forEach(draw);
  }

  document.addEventListener("omixa:theme", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();

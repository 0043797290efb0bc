// Draws a <figure class="chart"> with uPlot; console.js loads both when a page has a chart.
"use strict";
(() => {
  // A canvas knows no custom properties: an element of the class tells the colour.
  const colour = (figure, tone) => {
    const probe = figure.appendChild(Object.assign(document.createElement("i"), { className: `tone-${tone}` }));
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  // Stripes tell a failure from a success also without colour.
  const striped = (stroke) => {
    const tile = Object.assign(document.createElement("canvas"), { width: 6, height: 6 });
    const pen = tile.getContext("2d");
    pen.strokeStyle = stroke;
    pen.lineWidth = 2.5;
    pen.beginPath();
    for (const x of [-6, 0, 6]) {
      pen.moveTo(x, 6);
      pen.lineTo(x + 6, 0);
    }
    pen.stroke();
    return pen.createPattern(tile, "repeat");
  };

  // Bars stand on each other: each is drawn as high as all below it together, the highest first.
  const stack = (series, moments) => series.map((each, n) => ({
    ...each,
    drawn: moments.map((_, at) => series.slice(0, n + 1).reduce((sum, one) => sum + (one.values[at] ?? 0), 0)),
  })).reverse();

  const line = (figure, each, bars) => {
    const stroke = colour(figure, each.tone || "accent");
    const look = { label: each.name, stroke, width: bars ? 0 : 2, points: { show: false } };
    if (!bars) return look;
    const fill = () => (each.tone === "bad" ? striped(stroke) : stroke);
    return { ...look, fill, paths: uPlot.paths.bars({ size: [0.75, 48] }) };
  };

  // The legend tells the figures of the moment under the pointer.
  const tell = (figure, data, at, moment) => {
    const here = at !== null && at !== undefined;
    figure.querySelectorAll(".legend b").forEach((each, n) => {
      each.textContent = here ? ` ${(data.series[n].values[at] ?? 0).toLocaleString()}` : "";
    });
    figure.querySelector(".moment").textContent = here ? moment(data.x[at]) : "";
  };

  window.drawChart = (figure, { absolute, inUtc }) => {
    figure.plot?.destroy();
    figure.sizes?.disconnect();
    const data = JSON.parse(figure.dataset.chart);
    const place = figure.querySelector(".plot");
    place.hidden = false;
    const bars = data.kind === "bars";
    const series = bars ? stack(data.series, data.x) : data.series.map((each) => ({ ...each, drawn: each.values }));
    const step = data.x.length > 1 ? data.x[1] - data.x[0] : 3600;
    // A day of the report is a day of UTC.
    const daily = step >= 86400;
    const timeZone = inUtc || daily ? "UTC" : undefined;
    const shown = daily ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const dates = new Intl.DateTimeFormat(undefined, { ...shown, timeZone });
    const days = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeZone });
    const moment = (stamp) => (daily ? days.format(stamp * 1000) : absolute(new Date(stamp * 1000)));
    const axis = {
      stroke: colour(figure, "off"),
      grid: { stroke: colour(figure, "line"), width: 1 },
      ticks: { show: false },
      font: `12px ${getComputedStyle(figure).fontFamily}`,
    };
    figure.plot = new uPlot({
      width: place.clientWidth,
      height: place.clientHeight,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      tzDate: (stamp) => (timeZone ? uPlot.tzDate(new Date(stamp * 1000), "Etc/UTC") : new Date(stamp * 1000)),
      scales: { x: { range: (_, low, high) => [low - step / 2, high + step / 2] }, y: { range: (_, low, high) => [0, Math.max(high, 1) * 1.05] } },
      axes: [{ ...axis, space: 64, size: 30, values: (_, splits) => splits.map((x) => dates.format(x * 1000)) }, { ...axis, size: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6] }],
      series: [{}, ...series.map((each) => line(figure, each, bars))],
      hooks: { setCursor: [(plot) => tell(figure, data, plot.cursor.idx, moment)] },
    }, [data.x, ...series.map((each) => each.drawn)], place);
    figure.sizes = new ResizeObserver(() => {
      if (place.clientWidth) figure.plot.setSize({ width: place.clientWidth, height: place.clientHeight });
    });
    figure.sizes.observe(place);
  };
})();

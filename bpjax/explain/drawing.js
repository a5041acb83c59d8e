// The net as a picture, and the curves. A drawing shows what has been computed up to a step.

const SVG = "http://www.w3.org/2000/svg";
const MOST_LABELLED = 24; // more weights than these are written only where the step is
const MOST_PRESSED = 400; // of more lines each is pressed on itself, not near it
const MOST_IN_BAND = 18; // of units side by side; then layers stand in two rows, as in Fig. 3

function shape(parent, tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

// A number short enough for the picture: two decimals, or two digits of a small one.
function briefly(value) {
  const size = Math.abs(value);
  if (size >= 1000) return digits(value);
  const text = size >= 0.1 || size === 0 ? size.toFixed(2) : size >= 0.0001 ? Number(size.toPrecision(2)).toString() : "\u22480";
  return (size >= 0.0001 && value < 0 ? "\u2212" : "") + text;
}

const numWeights = lesson.connections.reduce(
  (sum, c) => sum + c.parameter.flat().filter((k) => k >= 0).length, 0);

// Where every unit stands: inputs at the bottom, as the paper draws its nets.
function placed(width) {
  const bands = lesson.bands.map((names) => names.map((name) => layers.get(name)));
  const columns = Object.fromEntries(bands.flatMap((band) => {
    const isWide = band.reduce((sum, layer) => sum + layer.size, 0) > MOST_IN_BAND;
    return band.map(({ name, size }) => [name, isWide && size > 8 ? Math.min(Math.ceil(size / 2), 15) : size]);
  }));
  const total = (band) => band.reduce((sum, { name }) => sum + columns[name], 0) + 1.2 * (band.length - 1);
  const widest = Math.max(...bands.map(total));
  // Room for the names of the layers at the left, where it need not be shared.
  const margin = width > 500 && bands.every((band) => band.length === 1) ? 92 : 0;
  const pitch = Math.min(190, (width - margin) / (widest + 0.3)), radius = Math.min(25, 0.41 * pitch);
  const gap = Math.max(70, Math.min(135, 430 / bands.length)) * (width < 500 ? 0.8 : 1);
  const line = 2 * radius + 6;
  const units = {}, labels = [];
  let y = radius + 44;
  for (const [k, band] of [...bands].reverse().entries()) {
    let x = (width + margin) / 2 - (total(band) * pitch) / 2;
    let lines = 1;
    for (const layer of band) {
      const across = columns[layer.name];
      units[layer.name] = Array.from({ length: layer.size }, (_, k) => ({
        x: x + pitch * ((k % across) + 0.5), y: y + line * Math.floor(k / across), row: Math.floor(k / across) }));
      const left = x + pitch / 2 - radius, isRoomy = band.length === 1 && left > 88;
      const below = y + line * Math.ceil(layer.size / across) - radius + 6;
      labels.push(isRoomy ? { layer, x: left - 12, y, anchor: "end" }
        : { layer, x: left, y: k === bands.length - 1 ? below : y - radius - 28, anchor: "start" });
      lines = Math.max(lines, Math.ceil(layer.size / across));
      x += pitch * (across + 1.2);
    }
    y += line * (lines - 1) + 2 * radius + gap;
  }
  return { units, labels, radius, pitch, height: y - gap - radius + 30 };
}

// Boxes of what stands in the picture: nothing is written where something stands already.
const LETTER = 7.2; // pixels: a digit and a little more
const boxAt = ({ x, y }, half, high) => ({ left: x - half, right: x + half, top: y - high, bottom: y + high });
const textBox = (at, text) => boxAt(at, LETTER * text.length / 2 + 2, 9);
const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
const isFree = (box, taken) => taken.every((other) => apart(box, other));

// Where along its line a number is written, in the order in which places are tried.
const PLACES = [0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78];

// The path of a line; one that skips a layer goes round the units between.
function curve(from, to, bend) {
  if (!bend) return { d: `M${from.x} ${from.y}L${to.x} ${to.y}`, at: (t) => ({
    x: from.x + t * (to.x - from.x), y: from.y + t * (to.y - from.y) }) };
  const middle = { x: (from.x + to.x) / 2 + bend, y: (from.y + to.y) / 2 };
  return { d: `M${from.x} ${from.y}Q${middle.x} ${middle.y} ${to.x} ${to.y}`, at: (t) => ({
    x: (1 - t) ** 2 * from.x + 2 * t * (1 - t) * middle.x + t * t * to.x,
    y: (1 - t) ** 2 * from.y + 2 * t * (1 - t) * middle.y + t * t * to.y }) };
}

const level = Object.fromEntries(lesson.bands.flatMap((names, k) => names.map((name) => [name, k])));

// Which lines a step is about, and what is written on them.
function focusOf(step, passes, weights) {
  if (step.kind === "forward") {
    return (c, i, j, k) => c.target === step.layer.name && j === step.unit && weights[k];
  }
  if (step.kind === "shares") {
    return (c, i, j) => c.target === step.layer.name && j === step.unit &&
      passes.activity[c.source][i] * passes.dx[c.target][j];
  }
  if (step.kind === "blame") {
    return (c, i, j, k) => c.source === step.layer.name && i === step.unit && weights[k];
  }
  return () => false;
}

// How far the passes have come: which units show their activity, and which their blame.
function known(stepNumber) {
  const active = new Set(), blamed = new Set();
  for (const layer of inputLayers) for (let k = 0; k < layer.size; k++) active.add(`${layer.name} ${k}`);
  STEPS.slice(0, stepNumber + 1).forEach(({ kind, layer, unit }) => {
    if (kind === "forward") active.add(`${layer.name} ${unit}`);
    if (kind === "blame") blamed.add(`${layer.name} ${unit}`);
  });
  return { active, blamed };
}

function drawNet(svg, { stepNumber, passes, weights, shown, picked }, { onUnit, onWeight }) {
  const width = Math.max(svg.parentNode.clientWidth, 260);
  const place = placed(width), step = STEPS[stepNumber], { active, blamed } = known(stepNumber);
  const focus = focusOf(step, passes, weights), hasFocus = "unit" in step;
  svg.setAttribute("viewBox", `0 0 ${width} ${place.height}`);
  svg.replaceChildren();
  const lines = shape(svg, "g", {}), numbers = [];
  const targetOf = targetsByUnit(shown), taken = [];
  for (const { layer, x, y, anchor } of place.labels) {
    const half = LETTER * layer.name.length / 2;
    taken.push(boxAt({ x: anchor === "end" ? x - half : x + half, y }, half, 8));
  }
  for (const layer of lesson.layers) {
    place.units[layer.name].forEach(({ x, y }, unit) => {
      taken.push(boxAt({ x, y }, place.radius, place.radius));
      const above = textAbove(place, layer, unit, { blamed, passes, targetOf });
      if (above) taken.push(textBox({ x, y: y - place.radius - 11 }, above));
    });
  }
  const largest = Math.max(...Array.from(weights, Math.abs), 1e-9);
  for (const c of lesson.connections) {
    const skips = level[c.target] - level[c.source] > 1;
    eachWeight(c, (i, j, k) => {
      const from = place.units[c.source][i], to = place.units[c.target][j];
      const side = from.x < width / 2 ? -1 : 1;
      const path = curve(from, to, skips ? side * 1.1 * place.pitch : 0);
      const written = focus(c, i, j, k), faint = hasFocus && written === false;
      if (numWeights > 400 && faint && k !== picked) return; // a thicket that says nothing
      if (k === picked) shape(lines, "path", { d: path.d, class: "picked" });
      const line = shape(lines, "path", { d: path.d, class: `line ${weights[k] < 0 ? "negative" : "positive"}`,
        "stroke-width": 0.4 + 5 * Math.abs(weights[k]) / largest,
        opacity: faint ? 0.13 : hasFocus ? 1 : numWeights > 400 ? 0.12 : numWeights > MOST_LABELLED ? 0.35 : 0.8 });
      const near = numWeights > MOST_PRESSED ? line : shape(lines, "path", { d: path.d, class: "near" });
      near.dataset.weight = k;
      near.addEventListener("click", () => onWeight(k));
      const label = written !== false ? written
        : !hasFocus && numWeights <= MOST_LABELLED ? weights[k] : null;
      if (label === null || place.pitch < 56) return;
      numbers.push({ path, text: briefly(label),
        name: written !== false && step.kind === "shares"
          ? `dw ${c.source} ${i} > ${c.target} ${j}` : `w ${k}` });
    });
  }
  for (const { path, text, name } of numbers) {
    const at = PLACES.map(path.at).find((point) => isFree(textBox(point, text), taken));
    if (!at) continue; // the table beside the picture has it
    const box = textBox(at, text);
    taken.push(box);
    shape(svg, "rect", { class: "plate", x: box.left, y: box.top, width: box.right - box.left, height: 18, rx: 3 });
    shape(svg, "text", { ...at, "font-size": 12.5, "data-name": name }, text);
  }
  for (const { layer, x, y, anchor } of place.labels) {
    shape(svg, "text", { class: "layer-name", x, y, "font-size": place.radius < 12 ? 11 : 13,
      style: `text-anchor:${anchor}` }, layer.name);
  }
  for (const layer of lesson.layers) {
    place.units[layer.name].forEach(({ x, y }, unit) => {
      const name = `${layer.name} ${unit}`, isActive = active.has(name);
      const activity = passes.activity[layer.name][unit];
      const isFocus = hasFocus && step.layer === layer && step.unit === unit;
      const group = shape(svg, "g", { "data-unit": name });
      shape(group, "title", {}, `${unitName(layer, unit)}${isActive ? `: ${digits(activity)}` : ""}`);
      const on = 100 * Math.min(1, Math.max(0, activity));
      shape(group, "circle", { class: `unit${isActive ? "" : " waiting"}${isFocus ? " focus" : ""}`,
        cx: x, cy: y, r: place.radius, ...(isActive ? { style: `--on:${on}%` } : {}) });
      drawInside(group, place, { x, y, layer, unit, on, activity: isActive ? activity : null });
      const above = textAbove(place, layer, unit, { blamed, passes, targetOf });
      if (blamed.has(name)) drawBlame(group, place, { x, y, above }, passes.dx[layer.name][unit], name);
      else if (above) {
        shape(group, "text", { class: "wanted", x, y: y - place.radius - 11, "font-size": 12.5 }, above);
      }
      if (layer.names.length && targetOf.get(name) > 0.5) {
        shape(group, "circle", { cx: x, cy: y, r: place.radius + 2.5, class: "line positive", "stroke-width": 2.5 });
      }
      group.addEventListener("click", () => onUnit(layer, unit));
    });
  }
}

function targetsByUnit(shown) {
  return new Map(outputLayers.flatMap((layer) => Array.from({ length: layer.size },
    (_, unit) => [`${layer.name} ${unit}`, shown.targets[firstOutput(layer) + unit]])));
}

// What is written above a unit: its blame once it has that, else what is wanted of it; "" for nothing,
// or where neighbours leave no room.
function textAbove(place, layer, unit, { blamed, passes, targetOf }) {
  const name = `${layer.name} ${unit}`, dx = passes.dx[layer.name]?.[unit];
  if (place.units[layer.name][unit].row > 0) return ""; // another row is above it
  const fits = (text) => LETTER * text.length + 6 <= place.pitch;
  if (blamed.has(name)) {
    const text = dx === 0 ? "" : `${dx < 0 ? UP : DOWN} ${briefly(dx)}`;
    return fits(text) ? text : "";
  }
  if (!targetOf.has(name) || place.radius < 15 || layer.names.length) return "";
  return [`wanted ${targetOf.get(name)}`, String(targetOf.get(name))].find(fits) ?? "";
}

const UP = "\u25b2", DOWN = "\u25bc";

// The activity, or the first letters of the name.
function drawInside(group, place, { x, y, layer, unit, on, activity }) {
  const isDark = activity !== null && on > 55 ? " dark" : "";
  if (layer.names.length && place.radius >= 8) {
    shape(group, "text", { class: `inside${isDark}`, x, y, "font-size": 0.74 * place.radius }, layer.names[unit].slice(0, 3));
  } else if (activity !== null && place.radius >= 15) {
    const whole = Number.isInteger(activity), text = whole ? String(activity) : activity.toFixed(2).replace("-", "\u2212");
    if (text.length > 6) return; // the table beside the picture has it
    shape(group, "text", { class: `inside${isDark}`, x, y, "font-size": whole ? 15 : Math.min(13, 0.62 * place.radius),
      "data-name": `y ${layer.name} ${unit}` }, text);
  }
}

// The blame of a unit: the number above it, or a mark alone at its edge.
function drawBlame(group, place, { x, y, above }, dx, name) {
  if (dx === 0) return;
  const look = dx < 0 ? "up" : "down";
  if (!above) {
    shape(group, "text", { class: look, x, y: y - place.radius - 0.35 * place.radius, "font-size": 0.7 * place.radius }, dx < 0 ? UP : DOWN);
    return;
  }
  const at = { x, y: y - place.radius - 11 }, box = textBox(at, above);
  shape(group, "rect", { class: "plate", x: box.left, y: box.top, width: box.right - box.left, height: 17, rx: 3 });
  shape(group, "text", { class: look, ...at, "font-size": 12.5, "data-name": `dx ${name}` }, above);
}

// ---- curves ---------------------------------------------------------------------------------------

// Series are { epochs, values, color, look }, all over the same epochs of one run, or of a play beside it.
function drawCurve(svg, series, { logarithmic, epoch, onEpoch }) {
  const width = Math.max(svg.clientWidth, 240), height = 230;
  const box = { left: 58, right: width - 10, top: 10, bottom: height - 26 };
  const end = Math.max(1, ...series.map(({ epochs }) => epochs.at(-1)));
  const isSeen = (value) => value !== null && Number.isFinite(value) && (!logarithmic || value > 0);
  const values = series.flatMap(({ values }) => values).filter(isSeen);
  let low = logarithmic ? Math.min(...values) : 0, high = Math.max(...values);
  if (!values.length) [low, high] = [logarithmic ? 0.1 : 0, 1];
  if (high <= low) high = logarithmic ? 10 * low : low + 1;
  const scale = logarithmic ? Math.log10 : (v) => v;
  const across = (e) => box.left + (box.right - box.left) * e / end;
  const up = (v) => box.bottom - (box.bottom - box.top) * (scale(v) - scale(low)) / (scale(high) - scale(low));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  for (const tick of ticks(low, high, logarithmic)) {
    shape(svg, "line", { class: "gridline", x1: box.left, x2: box.right, y1: up(tick), y2: up(tick) });
    shape(svg, "text", { x: box.left - 6, y: up(tick), "text-anchor": "end", "dominant-baseline": "central" },
      tick >= 1e6 || (logarithmic && tick < 0.001) ? digits(tick).replace(/\.?0+\u00d7/, "\u00d7").replace(/^1\u00d7/, "") : String(tick));
  }
  for (const tick of ticks(0, end, false)) {
    shape(svg, "text", { x: across(tick), y: height - 8, "text-anchor": tick > 0.95 * end ? "end" : "middle" }, tick.toLocaleString("en"));
  }
  shape(svg, "line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom });
  series.forEach(({ epochs, values, color, look = "" }) => {
    let d = "", pen = "M";
    values.forEach((value, k) => {
      if (!isSeen(value)) { pen = "M"; return; }
      d += `${pen}${across(epochs[k]).toFixed(1)} ${up(value).toFixed(1)}`;
      pen = "L";
    });
    shape(svg, "path", { class: `curve ${look}`, d, stroke: color });
  });
  shape(svg, "line", { class: "now", x1: across(epoch), x2: across(epoch), y1: box.top, y2: box.bottom });
  svg.onclick = (event) => {
    const bounds = svg.getBoundingClientRect();
    const x = (event.clientX - bounds.left) * width / bounds.width;
    onEpoch(end * Math.min(1, Math.max(0, (x - box.left) / (box.right - box.left))));
  };
}

function ticks(low, high, logarithmic) {
  if (logarithmic) {
    const powers = [];
    for (let p = Math.ceil(Math.log10(low)); p <= Math.log10(high); p++) powers.push(10 ** p);
    const every = Math.ceil(powers.length / 6);
    if (powers.length > 1) return powers.filter((_, k) => k % every === 0).map((v) => Number(v.toPrecision(1)));
  }
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let v = Math.ceil(low / size) * size; v <= high * (1 + 1e-9); v += size) found.push(Number(v.toPrecision(6)));
  return found;
}

// Layers from early to late: one colour from light to dark (on dark paper from dark to light).
const layerColor = (k, count) => `color-mix(in oklab, var(--late) ${count > 1 ? Math.round(100 * k / (count - 1)) : 100}%, var(--early))`;

// The square of inputs, for nets with exactly two: every case is a point in it, and every unit that
// sees the inputs alone parts it by a straight line, where its net input is 0.

const HAS_SQUARE = sum(inputLayers.map(({ size }) => size)) === 2;
const LINE_LAYERS = computedLayers.filter((layer) => incoming(layer).every((c) => inputLayers.includes(layers.get(c.source))));
const IS_DEEP = computedLayers.some((layer) => !isOutput(layer) && !LINE_LAYERS.includes(layer));
const SKIPS = outputLayers.some((layer) => incoming(layer).some((c) => inputLayers.includes(layers.get(c.source))));
const INPUT_NAMES = inputLayers.flatMap((layer) => Array.from({ length: layer.size }, (_, i) => unitName(layer, i)));
const MOST_NAMED = 6; // lines; more are drawn without names
const MOST_TOLD = 16; // cases; more are drawn without words
const GRID = 24; // cells of the shading, along each side
const SHADES = 10;
const TICK = { apart: 13, long: 7 }; // of the hatching, in pixels

// The weights of a unit from both inputs, and its bias.
function lineOf(layer, unit, weights) {
  const line = { layer, unit, slope: [0, 0], bias: layer.biases ? weights[layer.biases[unit]] : 0 };
  for (const c of incoming(layer)) {
    const first = c.source === inputLayers[0].name ? 0 : 1;
    eachWeight(c, (i, j, k) => { if (j === unit) line.slope[first + i] += weights[k]; });
  }
  return line;
}

const linesOf = (weights) => LINE_LAYERS.flatMap((layer) =>
  Array.from({ length: layer.size }, (_, unit) => lineOf(layer, unit, weights)));

const netInput = ({ slope, bias }, [a, b]) => slope[0] * a + slope[1] * b + bias;

// How far the square reaches: some room around all cases.
function reach(axis) {
  const values = lesson.cases.map(({ inputs }) => inputs[axis]);
  const low = Math.min(...values), high = Math.max(...values), room = 0.32 * (high - low || 1);
  return [low - room, high + room];
}

// Where a line enters and leaves the square: two points, or none.
function endsOf(line, [left, right], [low, high]) {
  const [a, b] = line.slope, found = [];
  for (const x of [left, right]) {
    const y = -(a * x + line.bias) / b;
    if (y >= low && y <= high) found.push([x, y]);
  }
  for (const y of [low, high]) {
    const x = -(b * y + line.bias) / a;
    if (x > left && x < right) found.push([x, y]);
  }
  return found.length >= 2 ? [found[0], found.at(-1)] : null;
}

// ---- what is wanted --------------------------------------------------------------------------------

const numOutputs = sum(outputLayers.map(({ size }) => size));
const allTargets = lesson.cases.flatMap(({ targets }) => targets);
const middle = (Math.min(...allTargets) + Math.max(...allTargets)) / 2;
// Of one output: 1 for on, 0 for off. Of several: which one should be the most active.
const kindOf = ({ targets }) => (numOutputs === 1 ? Number(targets[0] > middle) : targets.indexOf(Math.max(...targets)));
const wantedOf = (shown) => (numOutputs === 1 ? digits(shown.targets[0]) : String(kindOf(shown) + 1));

// Whether the cases are four corners, of which those across from each other want the same.
const IS_CROSSED = HAS_SQUARE && numOutputs === 1 && lesson.cases.length === 4 && (() => {
  const sides = [0, 1].map((axis) => [...new Set(lesson.cases.map(({ inputs }) => inputs[axis]))]);
  if (sides.some((values) => values.length !== 2)) return false;
  const corner = ({ inputs }) => 2 * sides[0].indexOf(inputs[0]) + sides[1].indexOf(inputs[1]);
  const wanted = [];
  for (const shown of lesson.cases) wanted[corner(shown)] = kindOf(shown);
  return wanted[0] === wanted[3] && wanted[1] === wanted[2] && wanted[0] === 1 - wanted[1];
})();
const named = (wanted) => lesson.cases.filter((shown) => kindOf(shown) === wanted).map(({ name }) => name.trim()).join(" and ");

// ---- the picture -----------------------------------------------------------------------------------

function drawSquare(svg, { weights, epoch, number: which }, onCase) {
  const size = Math.max(svg.clientWidth, 240);
  const box = { left: 30, right: size - 6, top: 6, bottom: size - 30 };
  const across = reach(0), up = reach(1);
  const x = (value) => box.left + (box.right - box.left) * (value - across[0]) / (across[1] - across[0]);
  const y = (value) => box.bottom - (box.bottom - box.top) * (value - up[0]) / (up[1] - up[0]);
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.replaceChildren();
  if (numOutputs === 1) shade(svg, weights, { box, across, up });
  shape(svg, "rect", { class: "frame", x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top });
  const radius = lesson.cases.length > 40 ? 4 : lesson.cases.length > MOST_TOLD ? 7 : 13;
  const points = lesson.cases.map(({ inputs }) => ({ x: x(inputs[0]), y: y(inputs[1]) }));
  const taken = points.map((point) => boxAt(point, radius + 3, radius + 3));
  const lines = linesOf(weights).map((line) => ({ ...line, ends: endsOf(line, across, up)?.map(([a, b]) => ({ x: x(a), y: y(b) })),
    onSide: { x: line.slope[0] / (across[1] - across[0]), y: -line.slope[1] / (up[1] - up[0]) } }));
  const seen = lines.filter(({ ends }) => ends);
  seen.forEach((line) => drawLine(svg, line, lines.indexOf(line), taken));
  points.forEach((point, k) => drawPoint(svg, point, k, { radius, epoch, isChosen: k === which, onCase }));
  if (lines.length <= MOST_NAMED) for (const line of seen) nameLine(svg, line, lines.indexOf(line), { box, taken });
  writeAxis(svg, box, across, up, { x, y });
}

// The output over the square, coarsely: the darker, the more it is on.
function shade(svg, weights, { box, across, up }) {
  const wide = (box.right - box.left) / GRID, high = (box.bottom - box.top) / GRID;
  const paths = Array(SHADES).fill("");
  for (let i = 0; i < GRID; i++) {
    for (let j = 0; j < GRID; j++) {
      const at = [across[0] + (across[1] - across[0]) * (i + 0.5) / GRID, up[1] - (up[1] - up[0]) * (j + 0.5) / GRID];
      const [value] = outputsOf(forwardPass(weights, at).activity);
      const level = Math.min(SHADES - 1, Math.max(0, Math.floor(SHADES * value)));
      paths[level] += `M${(box.left + i * wide).toFixed(1)} ${(box.top + j * high).toFixed(1)}h${wide.toFixed(2)}v${high.toFixed(2)}h${(-wide).toFixed(2)}z`;
    }
  }
  paths.forEach((d, level) => { if (d) shape(svg, "path", { class: "shade", d, opacity: 0.05 + 0.5 * level / (SHADES - 1) }); });
}

// A line, hatched on the side on which its unit is on.
function drawLine(svg, { layer, unit, ends: [from, to], onSide }, k, taken) {
  const long = Math.hypot(to.x - from.x, to.y - from.y), along = { x: (to.x - from.x) / long, y: (to.y - from.y) / long };
  let normal = { x: along.y, y: -along.x };
  if (normal.x * onSide.x + normal.y * onSide.y < 0) normal = { x: -normal.x, y: -normal.y };
  let hatch = "";
  for (let t = TICK.apart / 2; t < long; t += TICK.apart) {
    const start = { x: from.x + t * along.x, y: from.y + t * along.y };
    hatch += `M${start.x.toFixed(1)} ${start.y.toFixed(1)}l${(TICK.long * normal.x).toFixed(1)} ${(TICK.long * normal.y).toFixed(1)}`;
  }
  const look = { class: "parting", style: `stroke:${unitColor(k)}` };
  shape(svg, "path", { ...look, d: hatch, "stroke-width": 1 });
  shape(svg, "line", { ...look, x1: from.x, y1: from.y, x2: to.x, y2: to.y, "data-line": `${layer.name} ${unit}` });
}

const unitColor = (k) => `var(--unit-${k % 3})`;

// The name of a unit beside its line, on the side on which it is on, where there is room for it.
function nameLine(svg, { layer, unit, ends: [from, to], onSide }, k, { box, taken }) {
  const text = `${unitName(layer, unit)} on`, half = LETTER * text.length / 2 + 2;
  const long = Math.hypot(to.x - from.x, to.y - from.y) || 1, size = Math.hypot(onSide.x, onSide.y) || 1;
  let normal = { x: (to.y - from.y) / long, y: -(to.x - from.x) / long };
  if (normal.x * onSide.x + normal.y * onSide.y < 0) normal = { x: -normal.x, y: -normal.y };
  const away = 12 + Math.abs(normal.x) * half + Math.abs(normal.y) * 9;
  for (const t of [...PLACES, 0.12, 0.88]) {
    const at = { x: from.x + t * (to.x - from.x) + away * normal.x, y: from.y + t * (to.y - from.y) + away * normal.y };
    const its = textBox(at, `${text}m`); // bold
    const isInside = its.left > box.left && its.right < box.right && its.top > box.top && its.bottom < box.bottom;
    if (!isInside || !isFree(its, taken)) continue;
    taken.push(its);
    shape(svg, "rect", { class: "plate", x: its.left, y: its.top, width: its.right - its.left, height: 18, rx: 3 });
    shape(svg, "text", { ...at, class: "name", style: `fill:${unitColor(k)}` }, text);
    return;
  }
}

// A case: filled and round if it is wanted on, else hollow and square. Of several kinds each has its number.
function drawPoint(svg, { x, y }, k, { radius, epoch, isChosen, onCase }) {
  const shown = lesson.cases[k], kind = kindOf(shown), { isRight } = epoch.cases[k];
  const group = shape(svg, "g", { class: `point kind-${kind % 2}${isRight ? "" : " wrong"}${shown.trained ? "" : " held"}` });
  shape(group, "title", {}, `${shown.name}: ${wantedOf(shown)} is wanted, the net is ${isRight ? "right" : "wrong"}`);
  if (isChosen) shape(group, "circle", { class: "chosen", cx: x, cy: y, r: radius + 5 });
  if (numOutputs > 1 || kind) shape(group, "circle", { class: "mark", cx: x, cy: y, r: radius });
  else shape(group, "rect", { class: "mark", x: x - 0.88 * radius, y: y - 0.88 * radius, width: 1.76 * radius, height: 1.76 * radius });
  if (radius > 6) shape(group, "text", { x, y, "font-size": radius > 10 ? 12 : 9 }, radius > 10 ? wantedOf(shown).slice(0, 4) : wantedOf(shown).slice(0, 1));
  group.addEventListener("click", () => onCase(k));
}

function writeAxis(svg, box, across, up, { x, y }) {
  const values = (axis) => [...new Set(lesson.cases.map(({ inputs }) => inputs[axis]))];
  const marks = (axis, range) => (values(axis).length <= 3 ? values(axis) : ticks(...range, false).filter((_, k) => k % 2 === 0));
  for (const value of marks(0, across)) shape(svg, "text", { class: "axis-text", x: x(value), y: box.bottom + 10 }, digits(value));
  for (const value of marks(1, up)) shape(svg, "text", { class: "axis-text", x: box.left - 5, y: y(value), style: "text-anchor:end" }, digits(value));
  shape(svg, "text", { class: "axis-text", x: (box.left + box.right) / 2, y: box.bottom + 22 }, `${INPUT_NAMES[0]} \u2192`);
  const middle = { x: 8, y: (box.top + box.bottom) / 2 };
  shape(svg, "text", { class: "axis-text", ...middle, transform: `rotate(-90 ${middle.x} ${middle.y})` }, `${INPUT_NAMES[1]} \u2192`);
}

// ---- the words -------------------------------------------------------------------------------------

function squareWords({ weights, epoch }) {
  const lines = linesOf(weights), hasHidden = LINE_LAYERS.some((layer) => !isOutput(layer));
  const right = epoch.cases.filter(({ isRight }) => isRight).length;
  const about = hasHidden
    ? `Each ${IS_DEEP ? "unit of the first hidden layer" : "hidden unit"} parts the square by a straight line, where its net input is 0. On the hatched side it is on, on the other ` +
      `side off. ${SKIPS ? "The output sees these units, and the inputs as well" : "What comes after sees only these units, not the inputs"}.`
    : "Without hidden units there is nothing but the output, and it parts the square by one straight line, where its net input is " +
      "0. On the hatched side it says on, on the other side off.";
  return [paragraph(about), IS_CROSSED ? paragraph(crossedWords(lines, hasHidden, right === 4)) : "",
    lines.length <= MOST_NAMED && lesson.cases.length <= MOST_TOLD ? element("ul", {}, lines.map((line) => element("li", {}, lineWords(line)))) : ""];
}

function crossedWords(lines, hasHidden, isRight) {
  const corners = `The corners ${named(1)} should be on and ${named(0)} off, and these lie crosswise.`;
  if (!hasHidden) {
    return `${corners} Wherever a straight line goes, it leaves a corner on the wrong side: no straight line parts ` +
      "these four cases. So this net can never learn its task. That is what hidden units are needed for.";
  }
  if (lines.length === 1) {
    return SKIPS ? `${corners} One line cuts one corner off, and the output, which sees the inputs as well, treats it as the exception.`
      : `${corners} No straight line parts them, and this net has one line only.`;
  }
  return `${corners} No single straight line parts them, but two do it: the strip between them holds two corners that want ` +
    `the same, and the other two lie outside. ${stageWords(lines, isRight)}`;
}

// Whether the lines part the corners, and whether the net is right: it may be so early, by the finer shades of its units.
function stageWords(lines, isRight) {
  const sides = (wanted) => lesson.cases.filter((shown) => kindOf(shown) === wanted)
    .map(({ inputs }) => lines.map((line) => netInput(line, inputs) > 0).join());
  const isParted = sides(1).every((side) => !sides(0).includes(side));
  if (isRight) {
    return isParted ? "At this moment the net does it so." : "At this moment the net is right already, though its lines do not part the " +
      "corners yet: a unit can be more or less on, and the output goes by that.";
  }
  return isParted ? "At this moment its lines do so, but the output has not learned to use them." : "At this moment its lines do not do so yet.";
}

function lineWords(line) {
  const name = capital(unitName(line.layer, line.unit));
  const on = lesson.cases.filter(({ inputs }) => netInput(line, inputs) > 0);
  const outside = endsOf(line, reach(0), reach(1)) ? "" : ": its line lies outside the square";
  if (on.length === lesson.cases.length) return `${name} is on for every case${outside}.`;
  return on.length ? `${name} is on for ${on.map((shown) => shown.name.trim()).join(", ")}.` : `${name} is off for every case${outside}.`;
}

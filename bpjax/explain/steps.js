// The steps of the two passes and the weight change, each in words, with its equation and numbers.

const PHASES = ["Case", "Forward", "Error", "Backward", "Change"];

// Every step: its phase, what it does, and the layer and unit that it is about.
function allSteps() {
  const steps = [{ phase: 0, kind: "case" }];
  for (const layer of computedLayers) {
    for (let unit = 0; unit < layer.size; unit++) {
      steps.push({ phase: 1, kind: "forward", layer, unit });
    }
  }
  steps.push({ phase: 2, kind: "error" });
  for (const layer of [...computedLayers].reverse()) {
    for (let unit = 0; unit < layer.size; unit++) {
      steps.push({ phase: 3, kind: "blame", layer, unit });
      steps.push({ phase: 3, kind: "shares", layer, unit });
    }
  }
  for (const layer of computedLayers) steps.push({ phase: 4, kind: "change", layer });
  return steps;
}
const STEPS = allSteps();
const GROUP = (step) => `${step.phase} ${step.layer ? step.layer.name : ""}`;

// ---- small words ------------------------------------------------------------------------------

function unitName(layer, unit) {
  if (layer.names.length) return layer.names[unit];
  return layer.size === 1 ? layer.name : `${layer.name} ${unit + 1}`;
}

const isOutput = (layer) => lesson.outputs.includes(layer.name);
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

// The parameters that enter a layer, each with the first place at which it stands.
function parametersInto(layer) {
  const found = new Map();
  for (const c of incoming(layer)) {
    eachWeight(c, (i, j, k) => {
      const places = found.get(k)?.places ?? 0;
      const name = `${unitName(layers.get(c.source), i)} \u2192 ${unitName(layer, j)}`;
      found.set(k, { k, name: found.get(k)?.name ?? name, places: places + 1 });
    });
  }
  (layer.biases ?? []).forEach((k, j) => {
    found.set(k, { k, name: `bias of ${unitName(layer, j)}`, places: 1 });
  });
  return [...found.values()];
}

// ---- pieces of the page: text never becomes markup ---------------------------------------------

const $ = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.flat());
  return node;
}

// A number in at least three digits, with a true minus; tiny and huge ones as a power of ten.
function digits(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1000) return (value < 0 ? "\u2212" : "") + size;
  let text;
  if (size < 0.0005 || size >= 1e5) {
    const [mantissa, power] = size.toExponential(2).split("e");
    text = `${mantissa}\u00d710${[...power].map((letter) => RAISED[letter]).join("")}`;
  } else {
    text = size < 0.05 ? size.toFixed(5) : size < 10 ? size.toFixed(4) : size.toFixed(2);
  }
  return (value < 0 ? "\u2212" : "") + text;
}

const RAISED = { "+": "", "-": "\u207b",
  ...["\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074", "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"] };

// A number on the page; `name` says which one, for whoever wants to check it.
const number = (name, value, text = digits(value)) =>
  element("span", { class: "num", "data-name": name }, text);

// Of the units: y of x, and the slope that equation (5) puts beside dE/dy.
const FUNCTIONS = {
  logistic: ["1 / (1 + e<sup>&minus;x<sub>j</sub></sup>)", "y<sub>j</sub> (1 &minus; y<sub>j</sub>)"],
  tanh: ["tanh x<sub>j</sub>", "(1 &minus; y<sub>j</sub>&sup2;)"],
  linear: ["x<sub>j</sub>", "1"],
  relu: ["x<sub>j</sub> if it is positive, else 0", "(1 if y<sub>j</sub> is positive, else 0)"],
  "leaky-relu": ["x<sub>j</sub> if it is positive, else 0.01 x<sub>j</sub>",
    "(1 if y<sub>j</sub> is positive, else 0.01)"],
  softplus: ["ln(1 + e<sup>x<sub>j</sub></sup>)", "1 / (1 + e<sup>&minus;x<sub>j</sub></sup>)"],
  "scaled-tanh": ["1.7159 tanh(&frac23; x<sub>j</sub>)",
    "1.7159 &middot; &frac23; (1 &minus; tanh&sup2;(&frac23; x<sub>j</sub>))"],
  sine: ["sin x<sub>j</sub>", "cos x<sub>j</sub>"],
  "logistic-flat-spot": ["1 / (1 + e<sup>&minus;x<sub>j</sub></sup>)",
    "(y<sub>j</sub> (1 &minus; y<sub>j</sub>) + 0.1)"],
  softmax: ["e<sup>x<sub>j</sub></sup> / &sum;<sub>k</sub> e<sup>x<sub>k</sub></sup>"],
};

const functionsOf = (unit) => FUNCTIONS[unit] ?? ["f(x<sub>j</sub>)", "f&prime;(x<sub>j</sub>)"];

// Of the losses: E, and its derivative at an output; with the paper's number where it is the paper's.
const LOSSES = {
  squared: [3, "E = &frac12; &sum;<sub>c</sub> &sum;<sub>j</sub> (y<sub>j,c</sub> &minus; d<sub>j,c</sub>)&sup2;",
    4, "&part;E/&part;y<sub>j</sub> = y<sub>j</sub> &minus; d<sub>j</sub>"],
  margin: ["", "E = &frac12; &sum;<sub>c</sub> &sum;<sub>j</sub> error<sub>j,c</sub>&sup2;",
    "", "&part;E/&part;y<sub>j</sub> = error<sub>j</sub>"],
  "cross-entropy of logistic": ["", "E = &minus;&sum;<sub>c</sub> &sum;<sub>j</sub> (d<sub>j,c</sub> ln y<sub>j,c</sub> + " +
    "(1 &minus; d<sub>j,c</sub>) ln(1 &minus; y<sub>j,c</sub>))",
    "", "&part;E/&part;x<sub>j</sub> = y<sub>j</sub> &minus; d<sub>j</sub>"],
  "cross-entropy of softmax": ["", "E = &minus;&sum;<sub>c</sub> &sum;<sub>j</sub> d<sub>j,c</sub> ln y<sub>j,c</sub>",
    "", "&part;E/&part;x<sub>j</sub> = y<sub>j</sub> &sum;<sub>k</sub> d<sub>k</sub> &minus; d<sub>j</sub>"],
};
const seenByLoss = entersAtNet ? "x" : "y";
const LOSS = LOSSES[lesson.loss.unit ? `cross-entropy of ${lesson.loss.unit}` : lesson.loss.kind] ??
  ["", `E = &sum;<sub>c</sub> &sum;<sub>j</sub> e(${seenByLoss}<sub>j,c</sub>, d<sub>j,c</sub>)`,
    "", `&part;E/&part;${seenByLoss}<sub>j</sub> = &part;e/&part;${seenByLoss}<sub>j</sub>`];

const EQUATIONS = {
  1: () => "x<sub>j</sub> = &sum;<sub>i</sub> y<sub>i</sub> w<sub>ji</sub>",
  2: (unit) => `y<sub>j</sub> = ${functionsOf(unit)[0]}`,
  5: (unit) => (unit === "softmax"
    ? "&part;E/&part;x<sub>j</sub> = y<sub>j</sub> &sum;<sub>k</sub> y<sub>k</sub> (&part;E/&part;y<sub>j</sub> &minus; &part;E/&part;y<sub>k</sub>)"
    : `&part;E/&part;x<sub>j</sub> = &part;E/&part;y<sub>j</sub> &middot; ${functionsOf(unit)[1]}`),
  6: () => "&part;E/&part;w<sub>ji</sub> = &part;E/&part;x<sub>j</sub> &middot; y<sub>i</sub>",
  7: () => "&part;E/&part;y<sub>i</sub> = &sum;<sub>j</sub> &part;E/&part;x<sub>j</sub> &middot; w<sub>ji</sub>",
  9: () => "&Delta;w(t) = &minus;&epsilon; &part;E/&part;w(t) + &alpha; &Delta;w(t&minus;1)",
};

const equation = (which, unit) => formula(which, EQUATIONS[which](unit));

function formula(which, text) {
  const node = element("div", { class: "equation" });
  node.innerHTML = `<span class="number">${which && `(${which})`}</span>${text}`;
  return node;
}

const unitWords = (layer) => layer.unit.replaceAll("-", " ");

const paragraph = (...children) => element("p", {}, ...children);

function table(head, rows, foot = []) {
  const cell = (tag) => (value, column) => element(tag, column ? { class: "n" } : {}, value);
  const line = (tag) => (row) => element("tr", {}, row.map(cell(tag)));
  return element("div", { class: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, head.map((text, column) =>
      element("th", { scope: "col", ...(column ? { class: "n" } : {}) }, text)))),
    element("tbody", {}, rows.map(line("td"))),
    element("tfoot", {}, foot.map(line("td")))));
}

// ---- the steps ----------------------------------------------------------------------------------

const WORDS = {
  case({ shown, number: which }) {
    const held = shown.trained ? "" :
      " This case is held out: the net is asked, but it is never taught the answer.";
    return ["A case is shown", [
      paragraph(`Case ${which + 1} of ${lesson.cases.length}, ${shown.name}, is shown: the input ` +
        `units take its values. All other units are still to be computed.${held}`),
      paragraph("Next, the forward pass: every unit adds up what reaches it, and answers."),
    ]];
  },

  forward({ layer, unit, passes, weights }) {
    const name = unitName(layer, unit), rows = [];
    let silent = 0;
    for (const c of incoming(layer)) {
      const source = layers.get(c.source);
      c.parameter.forEach((row, i) => {
        const y = passes.activity[c.source][i], k = row[unit];
        if (k < 0) return;
        if (y === 0) { silent += 1; return; }
        rows.push([unitName(source, i), number(`y ${c.source} ${i}`, y), number(`w ${k}`, weights[k]),
          number(`yw ${c.source} ${i} ${k}`, y * weights[k])]);
      });
    }
    if (layer.biases) {
      const k = layer.biases[unit];
      rows.push(["bias (always on)", "1", number(`w ${k}`, weights[k]), number(`w ${k}`, weights[k])]);
    }
    const x = passes.net[layer.name][unit], y = passes.activity[layer.name][unit];
    const verdict = layer.unit !== "logistic" ? "" :
      y > 0.8 ? ": it is on" : y < 0.2 ? ": it is off" : ": it is undecided";
    const of = layer.unit === "softmax" ? "the net inputs of the whole layer" : "it";
    return [`${capital(name)} adds up and answers`, [
      paragraph(`Each activity times its weight, added up, is the net input x. The ` +
        `${unitWords(layer)} function makes of ${of} the activity y${verdict}.`),
      equation(1), table(["from", "y\u1d62", "weight", "product"], rows,
        [["net input x", "", "", number(`x ${layer.name} ${unit}`, x)]]),
      silent ? paragraph(`${plural(silent, "unit")} with activity 0 ${silent === 1 ? "adds" : "add"} nothing.`) : "",
      equation(2, layer.unit),
      paragraph(element("b", {}, "y = ", number(`y ${layer.name} ${unit}`, y))),
    ]];
  },

  error({ shown, passes, epoch }) {
    const rows = [];
    let k = 0;
    for (const layer of outputLayers) {
      for (let unit = 0; unit < layer.size; unit++, k++) {
        rows.push([unitName(layer, unit), digits(shown.targets[k]),
          number(`y ${layer.name} ${unit}`, passes.outputs[k]), number(`error ${k}`, passes.errors[k])]);
      }
    }
    const few = [...rows.keys()].filter((k) =>
      rows.length <= 12 || shown.targets[k] > 0.5 || passes.outputs[k] > 0.2 || passes.errors[k]);
    const margin = lesson.loss.kind === "margin"
      ? `An output above ${lesson.loss.on} that should be on, or below ${lesson.loss.off} that should ` +
        `be off, counts as no error${lesson.loss.fromMargin ? "; any other is wrong by what it lacks of that." : "."}`
      : "";
    const held = shown.trained ? "" : "This case is held out, so it counts as no error.";
    const name = OWN_LOSS ? "of its user's own making" :
      entersAtNet ? "the cross-entropy of answers and targets" : "half the squared error";
    return ["How wrong is the answer?", [
      paragraph(`Each output is held against what it should be. The loss E is ${name}, ` +
        `added up over outputs and cases: the one number that learning makes smaller. `, margin, " ", held),
      formula(LOSS[0], LOSS[1]),
      table(["output", "should be", "is", "error"], few.map((k) => rows[k])),
      few.length < rows.length ? paragraph(`${rows.length - few.length} more outputs are off, as they should be.`) : "",
      paragraph(element("b", {}, "This case adds ", number("loss of case", passes.loss)),
        " to the loss of all cases together, ", number("loss", epoch.loss), "."),
    ]];
  },

  blame({ layer, unit, shown, passes, weights }) {
    const name = unitName(layer, unit), pieces = [];
    const y = passes.activity[layer.name][unit];
    const dy = passes.dy[layer.name][unit], dx = passes.dx[layer.name][unit];
    if (isOutput(layer)) {
      const k = firstOutput(layer) + unit, error = passes.errors[k];
      const text = !shown.trained ? "The case is held out: no blame." :
        error === 0 ? `It is ${digits(y)}, near enough to ${digits(shown.targets[k])}: no blame.` :
        `It should be ${digits(shown.targets[k])} and is too ${error < 0 ? "low" : "high"}.`;
      pieces.push(paragraph(text), formula(LOSS[2], LOSS[3]),
        paragraph(`\u2202E/\u2202${seenByLoss} from its own error = `, number(`error ${k}`, error)));
      if (entersAtNet) {
        pieces.push(paragraph(`The slope of the ${unitWords(layer)} function is in it already: ` +
          (OWN_LOSS ? "the loss is a function of the net input." :
            "the cross-entropy cancels it, so that an output that is far off learns however flat it is there.")));
      }
    }
    const rows = [];
    for (const c of outgoing(layer)) {
      const target = layers.get(c.target);
      c.parameter[unit].forEach((k, j) => {
        const d = passes.dx[c.target][j];
        if (k < 0) return;
        rows.push([unitName(target, j), number(`dx ${c.target} ${j}`, d), number(`w ${k}`, weights[k]),
          number(`share ${c.target} ${j} ${k}`, d * weights[k])]);
      });
    }
    if (rows.length && isOutput(layer) && !entersAtNet) {
      const own = firstOutput(layer) + unit;
      rows.push(["its own error", "", "", number(`error ${own}`, passes.errors[own])]);
    }
    if (rows.length) {
      pieces.push(paragraph(`It is to blame for what it sent on: the blame of each unit that it ` +
        `feeds comes back through the same weight.`), equation(7),
        table(["back from", "\u2202E/\u2202x\u2c7c", "weight", "product"], rows,
          [["\u2202E/\u2202y", "", "", number(`dy ${layer.name} ${unit}`, dy)]]));
    }
    const wish = dx === 0 ? "Nothing is asked of it." : dx < 0
      ? "It is negative: with more net input the error would be smaller."
      : "It is positive: with less net input the error would be smaller.";
    if (!entersAtNet || !isOutput(layer) || rows.length) pieces.push(equation(5, layer.unit));
    if (entersAtNet && isOutput(layer) && rows.length) pieces.push(paragraph("To that its own error is added."));
    pieces.push(paragraph(
      element("b", {}, "\u2202E/\u2202x = ", number(`dx ${layer.name} ${unit}`, dx)), " ", wish,
      layer.unit === "logistic" && (y > 0.95 || y < 0.05) && dy !== 0
        ? " The unit is nearly all on or off, so little of the blame passes: its slope y (1 \u2212 y) is small." : ""));
    return [`${capital(name)} gets its blame`, pieces];
  },

  shares({ layer, unit, passes }) {
    const name = unitName(layer, unit), d = passes.dx[layer.name][unit], rows = [];
    let silent = 0;
    for (const c of incoming(layer)) {
      c.parameter.forEach((row, i) => {
        if (row[unit] < 0) return;
        const y = passes.activity[c.source][i];
        if (y === 0) { silent += 1; return; }
        rows.push([unitName(layers.get(c.source), i), number(`dx ${layer.name} ${unit}`, d),
          number(`y ${c.source} ${i}`, y), number(`dw ${c.source} ${i} > ${layer.name} ${unit}`, y * d)]);
      });
    }
    if (layer.biases) {
      rows.push(["bias (always on)", number(`dx ${layer.name} ${unit}`, d), "1",
        number(`dx ${layer.name} ${unit}`, d)]);
    }
    return [`The weights into ${name} get their shares`, [
      paragraph(`A weight has a share in the blame as large as the activity that came through it. ` +
        `Where nothing came through, the weight did nothing and gets nothing.`),
      equation(6), table(["from", "\u2202E/\u2202x\u2c7c", "y\u1d62", "\u2202E/\u2202w"], rows),
      silent ? paragraph(`${plural(silent, "weight")} from ${silent === 1 ? "a unit" : "units"} with activity 0: share 0.`) : "",
    ]];
  },

  change({ layer, moment, epoch, weights }) {
    const { learning } = lesson, { rate, momentum: alpha, decay, byPaper } = moment;
    const into = parametersInto(layer);
    const rows = into.filter(({ k }) => !learning.frozen[k]).map(({ k, name, places }) => {
      const change = changeAt(moment, k);
      return { k, label: places > 1 ? `${name} (${places} places)` : name, change,
        after: weightAfter(moment, k, change) };
    });
    const numFrozen = into.length - rows.length;
    rows.sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
    const shown = rows.slice(0, MOST_CHANGES);
    const cases = lesson.cases.filter(({ trained }) => trained).length;
    const title = `The weights into ${layer.name} change`;
    if (moment.end) return [title, [paragraph(moment.end)]];
    const head = ["weight", "\u2202E/\u2202w"];
    if (byPaper) head.push("\u2212\u03b5 \u2202E/\u2202w", "+ \u03b1 last");
    const copies = learning.copies > 1
      ? ` Corresponding weights of the ${learning.copies} steps in time change by the average.` : "";
    const text = byPaper
      ? `All ${cases} cases have had their say: their shares are added up. Then each weight goes ` +
        `against its gradient, by \u03b5 = ${rate} times it, and keeps \u03b1 = ${alpha} of its last change.${copies}`
      : learning.every
        ? `Here weights change after every ${learning.every === 1 ? "case" : `${learning.every} cases`}${ORDERS[learning.order]}. ` +
          `\u2202E/\u2202w is that of all ${cases} at the weights that the epoch began with; the last column but one is what ` +
          `all its changes did.`
        : `All ${cases} cases have had their say. The optimizer is ${learning.optimizer}.`;
    const cells = ({ k, label, change, after }) => [label, number(`gradient ${k}`, epoch.gradient[k]),
      ...(byPaper ? [number(`step ${k}`, -rate * epoch.gradient[k]),
        number(`kept ${k}`, alpha * moment.previous[k])] : []),
      number(`change ${k}`, change), number(`after ${k}`, after)];
    const frozen = numFrozen ? paragraph(`${plural(numFrozen, "weight")} ${numFrozen === 1 ? "is" : "are"} frozen: ` +
      `${numFrozen === 1 ? "it stays as it is" : "they stay as they are"}.`) : "";
    return [title, [
      paragraph(text), byPaper ? equation(9) : "",
      rows.length ? table([...head, "= change", "new"], shown.map(cells)) : "", frozen,
      shown.length < rows.length ? paragraph(`The ${MOST_CHANGES} largest changes of ${rows.length}.`) : "",
      byPaper && decay ? paragraph(`After the change, weight decay takes ${digits(100 * decay)} % of every weight${learning.decays.every(Boolean) ? "" : " that decays"}.`) : "",
      paragraph("Then the next epoch begins with the new weights."),
    ]];
  },
};

const MOST_CHANGES = 24;

const ORDERS = {
  fixed: "",
  shuffled: ", in an order drawn anew for every epoch",
  random: ", each drawn from all: in an epoch some are shown twice and some not at all",
};

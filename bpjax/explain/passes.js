// The two passes, as backprop.py has them, for one case at a time. Numbers in parentheses are the
// paper's equations.

const lesson = JSON.parse(document.getElementById("lesson").textContent);
const layers = new Map(lesson.layers.map((layer) => [layer.name, layer]));
const inputLayers = lesson.layers.filter((layer) => layer.unit === "input");
const computedLayers = lesson.layers.filter((layer) => layer.unit !== "input");
const outputLayers = lesson.outputs.map((name) => layers.get(name));
const incoming = (layer) => lesson.connections.filter((c) => c.target === layer.name);
const outgoing = (layer) => lesson.connections.filter((c) => c.source === layer.name);

// Where a layer's units stand among all outputs; -1 for one that is none.
function firstOutput(layer) {
  let first = 0;
  for (const other of outputLayers) {
    if (other === layer) return first;
    first += other.size;
  }
  return -1;
}

// What the units of a layer do: y of its net inputs x, and dE/dx of dE/dy. Those that look at
// themselves alone are of units.py, told by functions.py.
function single(f, slope) {
  return {
    activate: (x) => x.map((value) => f(value)),
    back: (dy, y, x) => dy.map((value, j) => value * slope(y[j], x[j])),
  };
}
const sum = (values) => values.reduce((total, value) => total + value, 0);
const logistic = (x) => 1 / (1 + Math.exp(-x));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const UNITS = {
  ...SINGLE_UNITS,
  softmax: {
    activate: (x) => {
      const powers = x.map((value) => Math.exp(value - Math.max(...x)));
      return powers.map((power) => power / sum(powers));
    },
    back: (dy, y) => y.map((yi, i) => yi * sum(y.map((yk, k) => yk * (dy[i] - dy[k])))),
  },
};

// Calls visit(i, j, k) for every weight of a connection: from unit i to unit j, parameter k.
function eachWeight(c, visit) {
  c.parameter.forEach((row, i) => row.forEach((k, j) => { if (k >= 0) visit(i, j, k); }));
}

function forwardPass(weights, inputs) {
  const net = {}, activity = {};
  let first = 0;
  for (const layer of inputLayers) {
    activity[layer.name] = inputs.slice(first, first + layer.size);
    first += layer.size;
  }
  for (const layer of computedLayers) {
    const x = layer.biases ? layer.biases.map((k) => weights[k]) : Array(layer.size).fill(0);
    for (const c of incoming(layer)) {
      eachWeight(c, (i, j, k) => { x[j] += activity[c.source][i] * weights[k]; }); // (1)
    }
    net[layer.name] = x;
    activity[layer.name] = UNITS[layer.unit].activate(x); // (2)
  }
  return { net, activity };
}

const outputsOf = (activity) => outputLayers.flatMap((layer) => activity[layer.name]);

// The cross-entropy is written in net inputs: its derivative enters at these, and no slope.
const entersAtNet = Boolean(lesson.loss.atNet);

// What one case adds to E, and its derivative at every output.
function lossOf(net, outputs, shown) {
  if (!shown.trained) return { loss: 0, errors: outputs.map(() => 0) };
  const seen = entersAtNet ? outputLayers.flatMap((layer) => net[layer.name]) : outputs;
  if (OWN_LOSS) return ownLoss(seen, shown.targets);
  if (entersAtNet) return crossEntropy(seen, shown.targets);
  const errors = outputErrors(outputs, shown);
  return { loss: sum(errors.map((error) => error * error / 2)), errors }; // (3)
}

// A user's own loss, a sum over outputs.
const ownLoss = (seen, targets) => ({
  loss: sum(seen.map((value, j) => OWN_LOSS.value(value, targets[j]))),
  errors: seen.map((value, j) => OWN_LOSS.derivative(value, targets[j])),
});

// As in loss.py: nothing is taken from what it is nearly equal to.
function crossEntropy(x, targets) {
  if (lesson.loss.unit === "logistic") {
    return { loss: sum(targets.map((d, j) => d * softplus(-x[j]) + (1 - d) * softplus(x[j]))),
      errors: targets.map((d, j) => (1 - d) * logistic(x[j]) - d * logistic(-x[j])) };
  }
  const largest = Math.max(...x), place = x.indexOf(largest), all = sum(targets);
  const others = sum(x.map((value, j) => (j === place ? 0 : Math.exp(value - largest))));
  return {
    loss: sum(targets.map((d, j) => d * (largest - x[j]))) + all * Math.log1p(others),
    errors: targets.map((d, j) => {
      const y = Math.exp(x[j] - largest) / (1 + others);
      return y * (all - d) - d * (j === place ? others / (1 + others) : 1 - y);
    }),
  };
}

// dE/dy of the outputs, which is also the error that the loss squares and halves.
function outputErrors(outputs, shown) {
  const { kind, on, off, fromMargin, byCase } = lesson.loss;
  const difference = outputs.map((y, j) => y - shown.targets[j]); // (4)
  if (kind === "squared") return difference;
  const isOn = shown.targets.map((target) => target > 0.5);
  if (fromMargin) {
    return outputs.map((y, j) => y - (isOn[j] ? Math.max(y, on) : Math.min(y, off)));
  }
  const outside = outputs.map((y, j) => (isOn[j] ? y <= on : y >= off));
  const some = outside.some(Boolean);
  return difference.map((error, j) => ((byCase ? some : outside[j]) ? error : 0));
}

function backwardPass(weights, net, activity, errors) {
  const dy = {}, dx = {}, dw = new Float64Array(lesson.numParameters);
  const error = (layer, j) => (firstOutput(layer) < 0 ? 0 : errors[firstOutput(layer) + j]);
  for (const layer of lesson.layers) {
    dy[layer.name] = Array.from({ length: layer.size }, (_, j) => (entersAtNet ? 0 : error(layer, j)));
  }
  for (const layer of [...computedLayers].reverse()) {
    const d = UNITS[layer.unit].back(dy[layer.name], activity[layer.name], net[layer.name]); // (5)
    if (entersAtNet) d.forEach((value, j) => { d[j] = value + error(layer, j); });
    dx[layer.name] = d;
    if (layer.biases) layer.biases.forEach((k, j) => { dw[k] += d[j]; }); // (6), with y = 1
    for (const c of incoming(layer)) {
      eachWeight(c, (i, j, k) => {
        dw[k] += activity[c.source][i] * d[j]; // (6)
        dy[c.source][i] += d[j] * weights[k]; // (7)
      });
    }
  }
  return { dy, dx, dw };
}

// How near an output must be to its target to be right.
const TOLERANCE = lesson.criterion.kind === "tolerance" ? lesson.criterion.threshold : 0.5;

// Both passes of one case.
function passesOf(weights, shown) {
  const { net, activity } = forwardPass(weights, shown.inputs);
  const outputs = outputsOf(activity);
  const { loss, errors } = lossOf(net, outputs, shown);
  const isRight = outputs.every((y, j) => Math.abs(y - shown.targets[j]) < TOLERANCE);
  return { net, activity, outputs, errors, isRight, loss,
    ...backwardPass(weights, net, activity, errors) };
}

// All cases with one set of weights: their outputs, E, and the gradient that the weight change follows.
function epochOf(weights) {
  const cases = lesson.cases.map((shown) => passesOf(weights, shown));
  const gradient = new Float64Array(lesson.numParameters);
  for (const { dw } of cases) dw.forEach((value, k) => { gradient[k] += value; });
  const { copies } = lesson.learning;
  if (copies > 1) gradient.forEach((value, k) => { gradient[k] = value / copies; });
  return { cases, gradient, loss: sum(cases.map(({ loss }) => loss)) };
}

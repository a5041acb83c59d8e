// The two passes, as backprop.py has them, for one case at a time. Numbers in parentheses are the
// paper's equations.

const lesson = JSON.parse(document.getElementById("lesson").textContent);
const layers = new Map(lesson.layers.map((layer) => [layer.name, layer]));
const inputLayers = lesson.layers.filter((layer) => layer.unit === "input");
const computedLayers = lesson.layers.filter((layer) => layer.unit !== "input");
const outputLayers = lesson.outputs.map((name) => layers.get(name));
const incoming = (layer) => lesson.connections.filter((c) => c.target === layer.name);
const outgoing = (layer) => lesson.connections.filter((c) => c.source === layer.name);

const FRAMES = Object.fromEntries(
  ["weights", "previous", "change"].map((name) => [name, unpacked(lesson.frames[name])]));

function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const numbers = new Float64Array(bytes.buffer);
  const table = [];
  for (let k = 0; k < numbers.length; k += lesson.numParameters) {
    table.push(numbers.subarray(k, k + lesson.numParameters));
  }
  return table;
}

const UNITS = {
  logistic: { f: (x) => 1 / (1 + Math.exp(-x)), slope: (y) => y * (1 - y) },
  tanh: { f: Math.tanh, slope: (y) => (1 + y) * (1 - y) },
  linear: { f: (x) => x, slope: () => 1 },
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
    activity[layer.name] = x.map(UNITS[layer.unit].f); // (2)
  }
  return { net, activity };
}

const outputsOf = (activity) => outputLayers.flatMap((layer) => activity[layer.name]);

// dE/dy of the outputs, which is also the error that the loss squares and halves.
function outputErrors(outputs, shown) {
  if (!shown.trained) return outputs.map(() => 0);
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

const lossOf = (errors) => errors.reduce((sum, error) => sum + error * error / 2, 0); // (3)

function backwardPass(weights, activity, errors) {
  const dy = {}, dx = {}, dw = new Float64Array(lesson.numParameters);
  for (const layer of lesson.layers) dy[layer.name] = Array(layer.size).fill(0);
  let first = 0;
  for (const layer of outputLayers) {
    for (let j = 0; j < layer.size; j++) dy[layer.name][j] += errors[first + j];
    first += layer.size;
  }
  for (const layer of [...computedLayers].reverse()) {
    const slope = UNITS[layer.unit].slope;
    const d = dy[layer.name].map((value, j) => value * slope(activity[layer.name][j])); // (5)
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

// Both passes of one case.
function passesOf(weights, shown) {
  const { net, activity } = forwardPass(weights, shown.inputs);
  const outputs = outputsOf(activity);
  const errors = outputErrors(outputs, shown);
  const isRight = outputs.every((y, j) => Math.abs(y - shown.targets[j]) < lesson.tolerance);
  return { net, activity, outputs, errors, isRight, loss: lossOf(errors),
    ...backwardPass(weights, activity, errors) };
}

// All cases at one moment: their outputs, E, and the gradient that the weight change follows.
function epochOf(frame) {
  const weights = FRAMES.weights[frame];
  const cases = lesson.cases.map((shown) => passesOf(weights, shown));
  const gradient = new Float64Array(lesson.numParameters);
  for (const { dw } of cases) dw.forEach((value, k) => { gradient[k] += value; });
  const { copies } = lesson.learning;
  if (copies > 1) gradient.forEach((value, k) => { gradient[k] = value / copies; });
  return { cases, gradient, loss: cases.reduce((sum, { loss }) => sum + loss, 0) };
}

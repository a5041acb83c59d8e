// Learning in the browser: a play is a net that left the recorded run, or started anew. It learns by
// equations (8) and (9), from all cases at once. Nothing here touches the page.
//
// A play is { from: the recorded epoch that it left, seed: of its new small weights or null, weights,
// previous: their last changes, epochs: made since, rate, momentum: the learner's, or null for those of
// the recipe, trace: sizes on the way, failed: whether the next weights would be no finite numbers }.
// It is never changed; every function returns another.

const MOST_TRACED = 60; // points of a trace; then every second one is left out

function playFrom(frame) {
  // Where another rule made the run, its last change is no velocity of equation (9).
  const { learning, frames, numParameters } = lesson;
  return { from: frames.epoch[frame], seed: null, weights: FRAMES.weights[frame],
    previous: learning.paper ? FRAMES.previous[frame] : new Float64Array(numParameters),
    epochs: 0, rate: null, momentum: null, trace: { every: 1, rows: [] }, failed: false };
}

// A net that was put somewhere by hand starts at rest, as every run does.
function withWeight(play, k, value) {
  const weights = play.weights.slice();
  weights[k] = value;
  return { ...play, weights, previous: new Float64Array(weights.length), failed: false };
}

// Small weights, uniform in the task's range; frozen ones stay where the run started.
function withSmallWeights(play, seed) {
  const random = randomFrom(seed), { initRange, frozen } = lesson.learning;
  const weights = FRAMES.weights[0].map((given, k) => {
    const drawn = (2 * random() - 1) * initRange;
    return frozen[k] ? given : drawn;
  });
  return { ...play, from: 0, seed, weights, previous: new Float64Array(weights.length), epochs: 0,
    trace: { every: 1, rows: [] }, failed: false };
}

// Uniform numbers from 0 to below 1, of 53 bits, from two draws of mulberry32 each.
function randomFrom(seed) {
  let state = seed >>> 0;
  const draw = () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return (bits ^ (bits >>> 14)) >>> 0;
  };
  return () => (draw() * 2 ** 21 + (draw() >>> 11)) / 2 ** 53;
}

function playedMoment(play) {
  const { learning, criterion } = lesson, at = play.from + play.epochs, epoch = epochOf(play.weights);
  const { loss, cases } = epoch;
  const isLearned = criterion.kind === "loss" ? loss < criterion.threshold
    : cases.every(({ isRight }, k) => isRight || !lesson.cases[k].trained);
  const end = isLearned && !play.epochs ? `It has learned its task already (criterion ${criterion.text}).`
    : isLearned ? `Learned after ${plural(play.epochs, "epoch")} (criterion ${criterion.text}).`
    : play.failed ? `Stopped after ${plural(play.epochs, "epoch")}: the next change would take the weights ` +
      "out of the finite numbers. Try a smaller learning rate." : "";
  return { weights: play.weights, previous: play.previous, byPaper: true, epoch, end,
    rate: play.rate ?? settingAt(learning.learningRate, at),
    momentum: play.momentum ?? settingAt(learning.momentum, at), decay: settingAt(learning.decay, at) };
}

// One more epoch. Weights that are no finite numbers are not taken.
function oneEpoch(play, moment) {
  const { frozen } = lesson.learning;
  const previous = play.weights.map((_, k) => (frozen[k] ? 0 : changeAt(moment, k)));
  const weights = play.weights.map((_, k) => weightAfter(moment, k, previous[k])); // frozen ones do not decay
  const next = { ...play, weights, previous, epochs: play.epochs + 1, trace: traced(play, moment) };
  const then = weights.every(Number.isFinite) ? playedMoment(next) : null;
  if (then && Number.isFinite(then.epoch.loss)) return { play: next, moment: then };
  const failed = { ...play, failed: true };
  return { play: failed, moment: playedMoment(failed) };
}

// ---- the way so far -------------------------------------------------------------------------------

// The trace with this moment, if it is one of those that are kept.
function traced({ trace, epochs }, moment) {
  if (epochs % trace.every) return trace;
  const rows = [...trace.rows, sizesOf(moment)];
  if (rows.length <= MOST_TRACED) return { ...trace, rows };
  return { every: 2 * trace.every, rows: rows.filter((_, k) => k % 2 === 0) };
}

// Loss, then gradient and blame by layer, as the curves of the recorded run have them.
function sizesOf({ epoch }) {
  return [epoch.loss, ...computedLayers.map((layer) => gradientSize(layer, epoch.gradient)),
    ...computedLayers.map((layer) => blameSize(layer, epoch.cases))];
}

function gradientSize(layer, gradient) {
  const parameters = [...new Set(incoming(layer).flatMap((c) => c.parameter.flat()).filter((k) => k >= 0)),
    ...(layer.biases ?? [])];
  const { copies } = lesson.learning; // the average of copies teaches; their sum is the derivative
  return Math.sqrt(sum(parameters.map((k) => (copies * gradient[k]) ** 2)) / parameters.length);
}

function blameSize(layer, cases) {
  const squares = cases.map(({ dx }) => sum(dx[layer.name].map((value) => value * value)));
  return Math.sqrt(sum(squares) / (cases.length * layer.size));
}

// A play's curves, with the moment that it is at: the loss, and gradient and blame by layer.
function curvesOf(play, moment) {
  const { every, rows } = play.trace, all = [...rows, sizesOf(moment)];
  const epochs = [...rows.map((_, k) => play.from + k * every), play.from + play.epochs];
  const column = (k) => ({ epochs, values: all.map((row) => row[k]) });
  const layerwise = (first) => computedLayers.map((_, k) => column(first + k));
  return { loss: [column(0)], gradient: layerwise(1), blame: layerwise(1 + computedLayers.length) };
}

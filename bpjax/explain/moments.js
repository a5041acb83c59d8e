// Moments: a net with its weights, what it does with every case, and how its weights are about to
// change. Every view of the page draws a moment, be it of the recorded run or of the net that the
// learner plays with; the recorded ones are made here.

const FRAMES = Object.fromEntries(
  ["weights", "previous", "change"].map((name) => [name, rowsOf(lesson.frames[name])]));
const lastFrame = lesson.frames.epoch.length - 1;

function rowsOf(text) {
  const numbers = unpacked(text), table = [];
  for (let k = 0; k < numbers.length; k += lesson.numParameters) {
    table.push(numbers.subarray(k, k + lesson.numParameters));
  }
  return table;
}

// Numbers from base 64, 64-bit little-endian.
function unpacked(text) {
  return new Float64Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

// What a setting of the recipe is after so many epochs.
const settingAt = ({ values, changes }, epoch) => values[changes.filter((change) => epoch >= change).length];

const RUN_ENDED = "The run ended here: its weights change no more. Go to an earlier epoch.";

function recordedMoment(frame) {
  const { learning } = lesson, epoch = lesson.frames.epoch[frame], weights = FRAMES.weights[frame];
  return { weights, previous: FRAMES.previous[frame], change: FRAMES.change[frame], byPaper: learning.paper,
    rate: settingAt(learning.learningRate, epoch), momentum: settingAt(learning.momentum, epoch),
    decay: settingAt(learning.decay, epoch), end: frame === lastFrame ? RUN_ENDED : "", epoch: epochOf(weights) };
}

// What is added to a weight next: by equation (9), or what was recorded where the run has another rule.
function changeAt(moment, k) {
  if (!moment.byPaper) return moment.change[k];
  return -moment.rate * moment.epoch.gradient[k] + moment.momentum * moment.previous[k]; // (9)
}

// The weight after that; in the paper's rule it decays then.
const weightAfter = (moment, k, change) =>
  (moment.byPaper && lesson.learning.decays[k] ? 1 - moment.decay : 1) * (moment.weights[k] + change);

function nearestFrame(wanted) {
  let best = 0;
  lesson.frames.epoch.forEach((e, k) => {
    if (Math.abs(e - wanted) < Math.abs(lesson.frames.epoch[best] - wanted)) best = k;
  });
  return best;
}

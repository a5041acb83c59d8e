// The address keeps what is shown, so that it can be sent to somebody: the place, and all of a play.
// A play is kept by its weights themselves, bit for bit, not by the way that led there: so any browser
// shows the same numbers. What an address has wrong is as if it were not there.

const MOST_SHARED = 20_000; // weights; with more an address gets too long
const LARGEST_TRACED = 3e38; // in 32 bits

function addressOf({ frame, case: which, step, play }) {
  const words = new URLSearchParams({ epoch: lesson.frames.epoch[frame], case: which + 1, step: step + 1 });
  if (!play || lesson.numParameters > MOST_SHARED) return `#${words}`;
  words.set("played", play.epochs);
  for (const name of ["seed", "rate", "momentum"]) if (play[name] !== null) words.set(name, play[name]);
  words.set("weights", packed(play.weights));
  if (play.previous.some(Boolean)) words.set("last", packed(play.previous));
  if (play.trace.rows.length) {
    words.set("every", play.trace.every);
    words.set("trace", packed(Float32Array.from(play.trace.rows.flat(), (size) => Math.min(size, LARGEST_TRACED))));
  }
  return `#${words}`;
}

function placeIn(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const whole = (name) => Number.parseInt(words.get(name), 10);
  const or = (value, other) => (Number.isNaN(value) ? other : value);
  return { frame: nearestFrame(or(whole("epoch"), 0)), case: or(whole("case"), 1) - 1,
    step: or(whole("step"), 1) - 1, play: playIn(words) };
}

// The play in an address; null if there is none, or any of it is wrong.
function playIn(words) {
  if (!words.has("weights")) return null;
  try {
    const frame = nearestFrame(wholeIn(words, "epoch", 0));
    const given = (name, rule) => (words.has(name) ? checked(Number(words.get(name) || NaN), rule) : null);
    const zeros = new Float64Array(lesson.numParameters);
    return { ...playFrom(frame), epochs: wholeIn(words, "played", 0), failed: false,
      seed: words.has("seed") ? wholeIn(words, "seed", 0, 2 ** 32 - 1) : null,
      rate: given("rate", isRate), momentum: given("momentum", isMomentum),
      weights: numbersIn(words.get("weights"), Float64Array, zeros.length),
      previous: words.has("last") ? numbersIn(words.get("last"), Float64Array, zeros.length) : zeros,
      trace: traceIn(words) };
  } catch {
    return null;
  }
}

const isRate = (value) => Number.isFinite(value) && value > 0;
const isMomentum = (value) => value >= 0 && value < 1;

function checked(value, rule) {
  if (!rule(value)) throw new RangeError(value);
  return value;
}

const wholeIn = (words, name, least, most = 1e9) =>
  checked(Number(words.get(name) ?? NaN), (value) => Number.isInteger(value) && value >= least && value <= most);

function traceIn(words) {
  if (!wholeIn(words, "played", 0)) return { every: 1, rows: [] };
  const every = wholeIn(words, "every", 1), width = 1 + 2 * computedLayers.length;
  const numRows = checked(Math.ceil(wholeIn(words, "played", 0) / every), (count) => count <= MOST_TRACED);
  const numbers = [...numbersIn(words.get("trace"), Float32Array, numRows * width)], rows = [];
  for (let k = 0; k < numbers.length; k += width) rows.push(numbers.slice(k, k + width));
  return { every, rows };
}

// Numbers as letters that an address may have, and back.
function packed(numbers) {
  let text = "";
  for (const byte of new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function numbersIn(text, Kind, count) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const numbers = new Kind(bytes.buffer);
  if (numbers.length !== count || !numbers.every(Number.isFinite)) throw new RangeError(text);
  return numbers;
}

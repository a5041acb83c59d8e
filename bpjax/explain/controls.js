// What is shown, and how it is chosen: by slider, list, buttons, keys, or a press on the picture.

const $ = (id) => document.getElementById(id);
const lastFrame = lesson.frames.epoch.length - 1;
const state = { frame: 0, case: 0, step: 0 };
let epoch = null; // of state.frame, worked out once

function chosen() {
  const weights = FRAMES.weights[state.frame], shown = lesson.cases[state.case];
  const step = STEPS[state.step];
  return { ...step, step, stepNumber: state.step, frame: state.frame, number: state.case, weights, shown, epoch,
    passes: epoch.cases[state.case] };
}

function go(change) {
  const clamp = (value, last) => Math.min(last, Math.max(0, value));
  const before = { ...state };
  state.frame = clamp(change.frame ?? state.frame, lastFrame);
  state.case = clamp(change.case ?? state.case, lesson.cases.length - 1);
  state.step = clamp(change.step ?? state.step, STEPS.length - 1);
  const isNewEpoch = epoch === null || before.frame !== state.frame;
  if (isNewEpoch) {
    epoch = epochOf(state.frame);
    showEpoch();
  }
  if (isNewEpoch || before.case !== state.case) showCase();
  showStep();
  showHash();
}

function showEpoch() {
  const at = lesson.frames.epoch[state.frame], end = lesson.frames.epoch[lastFrame];
  $("epoch").value = state.frame;
  $("epoch").setAttribute("aria-valuetext", `epoch ${at} of ${end}`);
  $("epoch-text").textContent = `${at.toLocaleString("en")} of ${end.toLocaleString("en")}`;
  const onEpoch = (wanted) => go({ frame: nearestFrame(wanted) });
  drawCurve($("loss-curve"), [{ values: lesson.curves.loss, color: "var(--accent)" }],
    { logarithmic: false, epoch: at, onEpoch });
  for (const what of ["gradient", "blame"]) {
    drawCurve($(`${what}-curve`), byLayer(what), { logarithmic: true, epoch: at, onEpoch });
  }
  showWeights();
}

const byLayer = (what) => lesson.curves[what].map(
  (values, k) => ({ values, color: layerColor(k, lesson.curves.layers.length) }));

function nearestFrame(wanted) {
  let best = 0;
  lesson.frames.epoch.forEach((e, k) => {
    if (Math.abs(e - wanted) < Math.abs(lesson.frames.epoch[best] - wanted)) best = k;
  });
  return best;
}

function showCase() {
  $("case").value = state.case;
  $("case-text").textContent = `${state.case + 1} of ${lesson.cases.length}`;
  $("case-before").disabled = state.case === 0;
  $("case-after").disabled = state.case === lesson.cases.length - 1;
  showCases();
}

function showStep() {
  const now = chosen(), [title, pieces] = WORDS[now.kind](now);
  $("step").replaceChildren(element("h2", {}, title), ...pieces.filter((piece) => piece !== ""));
  $("step-text").textContent = `step ${state.step + 1} of ${STEPS.length}`;
  $("back").disabled = state.step === 0;
  $("next").disabled = state.step === STEPS.length - 1;
  $("skip").disabled = layerStep(1) >= STEPS.length;
  $("phases").childNodes.forEach((item, phase) => {
    const button = item.firstChild;
    if (phase === now.phase) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  });
  drawNet($("net"), now, pressUnit);
  $("net-text").replaceChildren(...answer(now));
}

// A press on a unit: its blame if the backward pass has begun, else its answer.
function pressUnit(layer, unit) {
  const kind = STEPS[state.step].phase >= 3 ? "blame" : "forward";
  const step = STEPS.findIndex((s) => s.kind === kind && s.layer === layer && s.unit === unit);
  if (step >= 0) go({ step });
}

function answer({ shown, passes, stepNumber }) {
  const wanted = ` Shown: ${shown.name}. Wanted: ${inWords(shown.targets)}.`;
  if (STEPS[stepNumber].phase < 2) return [wanted.trim()];
  const verdict = passes.isRight ? "right" : "wrong";
  return [`${wanted.trim()} The net says: ${inWords(passes.outputs)} \u2014 `,
    element("b", { class: verdict }, verdict), shown.trained ? "." : ", and was never taught it."];
}

// Outputs in words: the names of those that are on, or the numbers.
function inWords(outputs) {
  const named = outputLayers.some((layer) => layer.names.length), words = [];
  let k = 0;
  for (const layer of outputLayers) {
    for (let unit = 0; unit < layer.size; unit++, k++) {
      if (!named) words.push(Number.isInteger(outputs[k]) ? String(outputs[k]) : outputs[k].toFixed(3));
      else if (outputs[k] > 0.5) words.push(unitName(layer, unit));
    }
  }
  return words.length ? words.join(named ? ", " : " ") : "nothing";
}

function showCases() {
  const right = epoch.cases.filter(({ isRight }) => isRight).length;
  $("cases-text").replaceChildren(`${right} of ${lesson.cases.length} cases are right: every output nearer than ` +
    `${lesson.tolerance} to its target. Loss E = `, number("loss", epoch.loss), ".");
  const rows = lesson.cases.map((shown, k) => {
    const { outputs, isRight } = epoch.cases[k];
    const button = element("button", { type: "button" }, shown.name);
    const row = element("tr", k === state.case ? { class: "chosen", "aria-current": "true" } : {},
      element("td", {}, button), element("td", {}, inWords(shown.targets)), element("td", {}, inWords(outputs)),
      element("td", { class: isRight ? "right" : "wrong" }, `${isRight ? "\u2713 right" : "\u2717 wrong"}${shown.trained ? "" : ", held out"}`));
    row.addEventListener("click", () => go({ case: k }));
    return row;
  });
  $("cases").replaceChildren(
    element("thead", {}, element("tr", {}, ["case", "wanted", "the net says", ""].map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, rows));
}

function showWeights() {
  const weights = FRAMES.weights[state.frame];
  const rows = computedLayers.flatMap(parametersInto).map(({ k, name }) =>
    element("tr", {}, element("td", {}, name), element("td", { class: "n" }, number(`w ${k}`, weights[k]))));
  $("weights").replaceChildren(element("tbody", {}, rows));
}

// ---- the address keeps the place, so that it can be sent to somebody ---------------------------------

function showHash() {
  const { frame, case: which, step } = state;
  history.replaceState(null, "", `#epoch=${lesson.frames.epoch[frame]}&case=${which + 1}&step=${step + 1}`);
}

function fromHash() {
  const words = new URLSearchParams(location.hash.slice(1));
  const whole = (name) => { const value = Number.parseInt(words.get(name), 10); return Number.isNaN(value) ? undefined : value; };
  const wanted = whole("epoch");
  return { frame: wanted === undefined ? 0 : nearestFrame(wanted), case: (whole("case") ?? 1) - 1, step: (whole("step") ?? 1) - 1 };
}

// Go to a step, and bring its words into view where they are not: on a phone they are below the picture.
function stepTo(step) {
  go({ step });
  const { top } = $("step").getBoundingClientRect();
  if (top < 0 || top > 0.5 * innerHeight) scrollBy({ top: top - 0.4 * innerHeight });
}

// ---- wiring -------------------------------------------------------------------------------------------

// The first step of the layer after or before the one that the page is at.
function layerStep(direction) {
  const here = GROUP(STEPS[state.step]);
  let step = state.step;
  while (step >= 0 && step < STEPS.length && GROUP(STEPS[step]) === here) step += direction;
  if (direction < 0) {
    const there = GROUP(STEPS[Math.max(step, 0)]);
    while (step > 0 && GROUP(STEPS[step - 1]) === there) step -= 1;
  }
  return step;
}

const KEYS = {
  ArrowRight: (shift) => ({ step: shift ? layerStep(1) : state.step + 1 }),
  ArrowLeft: (shift) => ({ step: shift ? layerStep(-1) : state.step - 1 }),
  ArrowUp: () => ({ case: state.case - 1 }),
  ArrowDown: () => ({ case: state.case + 1 }),
  ",": () => ({ frame: state.frame - 1 }),
  ".": () => ({ frame: state.frame + 1 }),
};

document.addEventListener("keydown", (event) => {
  const typing = ["INPUT", "SELECT", "SUMMARY"].includes(event.target.tagName);
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  const change = KEYS[event.key](event.shiftKey);
  if ("step" in change) stepTo(change.step);
  else go(change);
});

let playing = null;
function play(on) {
  clearInterval(playing);
  playing = on ? setInterval(() => {
    if (state.frame === lastFrame) play(false);
    else go({ frame: state.frame + Math.max(1, Math.round(lastFrame / 150)) });
  }, 90) : null;
  $("play").textContent = on ? "Stop" : "Play";
  $("play").setAttribute("aria-pressed", String(on));
}

PHASES.forEach((name, phase) => {
  const button = element("button", { type: "button" }, name);
  button.addEventListener("click", () => go({ step: STEPS.findIndex((step) => step.phase === phase) }));
  $("phases").append(element("li", {}, button));
});
lesson.cases.forEach(({ name, trained }, k) => {
  $("case").append(element("option", { value: k }, `${name}${trained ? "" : " (held out)"}`));
});
lesson.curves.layers.forEach((name, k) => {
  const dot = element("b", { style: `color:${layerColor(k, lesson.curves.layers.length)}` }, "\u25ac");
  $("layer-key").append(element("span", {}, dot, name));
});
$("epoch").max = lastFrame;
$("epoch").addEventListener("input", (event) => { play(false); go({ frame: Number(event.target.value) }); });
// Chosen with the mouse, the list gives the arrow keys back to the steps.
let byMouse = false;
$("case").addEventListener("pointerdown", () => { byMouse = true; });
$("case").addEventListener("keydown", () => { byMouse = false; });
$("case").addEventListener("change", (event) => {
  go({ case: Number(event.target.value) });
  if (byMouse) event.target.blur();
});
$("case-before").addEventListener("click", () => go({ case: state.case - 1 }));
$("case-after").addEventListener("click", () => go({ case: state.case + 1 }));
$("back").addEventListener("click", () => stepTo(state.step - 1));
$("next").addEventListener("click", () => stepTo(state.step + 1));
$("skip").addEventListener("click", () => stepTo(layerStep(1)));
$("play").addEventListener("click", () => {
  if (playing === null && state.frame === lastFrame) go({ frame: 0 });
  play(playing === null);
});
addEventListener("hashchange", () => go(fromHash()));
addEventListener("resize", () => { showEpoch(); showStep(); });

go(fromHash());

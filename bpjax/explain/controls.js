// What is shown, and how it is chosen: by slider, list, buttons, keys, or a press on the picture.

// The state is a place in the lesson, and the play that is shown there; without one the recorded run is.

const state = { frame: 0, case: 0, step: 0, play: null };
let playing = null; // the timer of the recorded run that plays
let moment = null; // what is shown of the state, worked out once
let aside = null; // the learner's play while the recorded run is shown

function chosen() {
  const step = STEPS[state.step], { weights, epoch } = moment;
  return { ...step, step, stepNumber: state.step, number: state.case, shown: lesson.cases[state.case], moment, weights, epoch,
    passes: epoch.cases[state.case], picked: isPlayOpen() ? player.picked : null };
}

// Change the state and show it; `now` is the moment of a new play, if it has been worked out already.
// To go to another epoch is to go back to the recorded run.
function go(change, now = null) {
  const clamp = (value, last) => Math.min(last, Math.max(0, value));
  const before = { ...state };
  state.case = clamp(change.case ?? state.case, lesson.cases.length - 1);
  state.step = clamp(change.step ?? state.step, STEPS.length - 1);
  state.frame = clamp(change.frame ?? state.frame, lastFrame);
  if ("play" in change) state.play = change.play;
  else if ("frame" in change) state.play = null;
  if (before.play && !state.play) aside = before.play;
  if (state.play) state.frame = nearestFrame(state.play.from);
  if (!state.play) stop();
  const isNew = moment === null || before.frame !== state.frame || before.play !== state.play;
  if (isNew) {
    moment = now ?? (state.play ? playedMoment(state.play) : recordedMoment(state.frame));
    showEpoch();
  }
  if (isNew || before.case !== state.case) showCase();
  showStep();
  if (player.running === null && playing === null) showAddress(); // browsers allow few changes of it a second
}

function showEpoch() {
  const at = lesson.frames.epoch[state.frame], end = lesson.frames.epoch[lastFrame];
  const text = `${at.toLocaleString("en")} of ${end.toLocaleString("en")}`;
  $("epoch").value = state.frame;
  $("epoch").setAttribute("aria-valuetext", `epoch ${text}`);
  $("epoch-text").textContent = text;
  showCurves();
  showWeights();
  showMode();
  showPlay();
}

function showCurves() {
  const played = state.play && curvesOf(state.play, moment);
  const epoch = state.play ? state.play.from + state.play.epochs : lesson.frames.epoch[state.frame];
  const onEpoch = (wanted) => go({ frame: nearestFrame(wanted) });
  const { curves } = lesson, layerwise = (k) => layerColor(k, curves.layers.length);
  const beside = (what, recorded, color) => [
    ...recorded.map((values, k) => ({ epochs: curves.epoch, values, color: color(k), look: played ? "pale" : "" })),
    ...(played ? played[what].map((series, k) => ({ ...series, color: color(k), look: "own" })) : [])];
  drawCurve($("loss-curve"), beside("loss", [curves.loss], () => "var(--accent)"), { logarithmic: false, epoch, onEpoch });
  for (const what of ["gradient", "blame"]) {
    drawCurve($(`${what}-curve`), beside(what, curves[what], layerwise), { logarithmic: true, epoch, onEpoch });
  }
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
  drawNet($("net"), now, { onUnit: pressUnit, onWeight: pick });
  if (HAS_SQUARE) {
    drawSquare($("square"), now, (which) => go({ case: which }));
    $("square-text").replaceChildren(...squareWords(moment).filter((piece) => piece !== ""));
  }
  $("net-text").replaceChildren(...answer(now));
}

// A press on a unit: its blame if the backward pass has begun, else its answer.
function pressUnit(layer, unit) {
  const kind = STEPS[state.step].phase >= 3 ? "blame" : "forward";
  const step = STEPS.findIndex((s) => s.kind === kind && s.layer === layer && s.unit === unit);
  if (step >= 0) { openPanel("steps"); go({ step }); }
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
      if (!named) words.push(Number.isInteger(outputs[k]) || Math.abs(outputs[k]) >= 1e5 ? digits(outputs[k]) : outputs[k].toFixed(3));
      else if (outputs[k] > 0.5) words.push(unitName(layer, unit));
    }
  }
  return words.length ? words.join(named ? ", " : " ") : "nothing";
}

function showCases() {
  const { epoch } = moment, right = epoch.cases.filter(({ isRight }) => isRight).length;
  $("cases-text").replaceChildren(`${right} of ${lesson.cases.length} cases are right: every output nearer than ` +
    `${TOLERANCE} to its target. Loss E = `, number("loss", epoch.loss), ".");
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
  const rows = computedLayers.flatMap(parametersInto).map(({ k, name }) =>
    element("tr", {}, element("td", {}, name), element("td", { class: "n" }, number(`w ${k}`, moment.weights[k]))));
  $("weights").replaceChildren(element("tbody", {}, rows));
}

// ---- the address keeps the place, so that it can be sent to somebody ---------------------------------

const showAddress = () => history.replaceState(null, "", addressOf(state));

function goTo(hash) {
  const place = placeIn(hash);
  stop();
  go(place);
  if (place.play) openPanel("play");
}

// Go to a step, and bring its words into view where they are not: on a phone they are below the picture.
function stepTo(step) {
  if (isPlayOpen()) openPanel("steps");
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
  ".": () => (state.play ? null : { frame: state.frame + 1 }), // a play goes on, and never back
};

document.addEventListener("keydown", (event) => {
  const isSlider = event.target.type === "range" && [",", "."].includes(event.key); // of which it makes nothing
  const typing = ["INPUT", "SELECT", "SUMMARY"].includes(event.target.tagName) && !isSlider;
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  const change = KEYS[event.key](event.shiftKey);
  if (change === null) { stop(); learn(1); } else if ("step" in change) stepTo(change.step);
  else go(change);
});

function playback(on) {
  clearInterval(playing);
  playing = on ? setInterval(() => {
    if (state.frame === lastFrame) playback(false);
    else go({ frame: state.frame + Math.max(1, Math.round(lastFrame / 150)) });
  }, 90) : null;
  $("play").textContent = on ? "Stop" : "Play";
  $("play").setAttribute("aria-pressed", String(on));
  if (!on && state.play === null) showAddress();
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
$("epoch").addEventListener("input", (event) => { playback(false); go({ frame: Number(event.target.value) }); });
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
  if (playing === null) go({ frame: state.frame === lastFrame ? 0 : state.frame });
  playback(playing === null);
});
addEventListener("hashchange", ({ newURL }) => goTo(new URL(newURL).hash));
addEventListener("resize", () => { showEpoch(); showStep(); });
wirePlay();
goTo(location.hash);

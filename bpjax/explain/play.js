// The panel in which a learner plays with the net: changes a weight, a rate or the momentum, takes new
// small weights, and lets the net learn on from there. It changes the play that controls.js shows.

const TICK_MS = 60, BUDGET_MS = 40; // between two looks at a net that learns, and of that for learning
const SPEEDS = [1, 10, 100];
const PARAMETERS = parametersOnce();

// Every weight and bias once, under the first place at which it stands.
function parametersOnce() {
  const found = new Map();
  for (const each of computedLayers.flatMap(parametersInto)) if (!found.has(each.k)) found.set(each.k, each);
  return [...found.values()];
}

const player = { picked: PARAMETERS[0].k, speed: usualSpeed(), running: null };

// As many epochs at a time as take the recorded run some seconds.
function usualSpeed() {
  const runs = lesson.frames.epoch[lastFrame];
  return SPEEDS.findLast((speed) => speed <= runs / 50) ?? SPEEDS[0];
}

// The play that is shown, or one that starts where the recorded run stands.
const playHere = () => state.play ?? playFrom(state.frame);

// ---- learning -------------------------------------------------------------------------------------

function run(on) {
  clearTimeout(player.running);
  player.running = on ? setTimeout(tick, TICK_MS) : null;
  $("run").textContent = on ? "Pause" : "Run";
  $("run").setAttribute("aria-pressed", String(on));
  $("step").setAttribute("aria-live", on ? "off" : "polite"); // nobody could listen to that
}

function tick() {
  learn(player.speed);
  if (moment.end) stop();
  else player.running = setTimeout(tick, TICK_MS);
}

function stop() {
  if (player.running === null) return;
  run(false);
  showAddress();
}

// Make some epochs, or as many as there is time for, until the play ends.
function learn(epochs) {
  const until = performance.now() + BUDGET_MS;
  let play = playHere(), now = state.play ? moment : playedMoment(play);
  for (let made = 0; made < epochs && !now.end && (made === 0 || performance.now() < until); made++) {
    ({ play, moment: now } = oneEpoch(play, now));
  }
  go({ play }, now);
}

// ---- the panel ------------------------------------------------------------------------------------

const clean = (value) => String(Number(value.toPrecision(6)));

// A number that can be typed, and moved with a slider. What breaks its rule is said and not taken.
function dial(name, { toSlide, fromSlide, rule, sentence, change }) {
  const take = (value) => {
    const isGood = rule(value);
    $("play-fault").textContent = isGood ? "" : sentence;
    if (isGood) go({ play: change(playHere(), value) });
    else showPlay();
  };
  $(name).addEventListener("change", () => take($(name).value === "" ? NaN : Number($(name).value)));
  $(`${name}-slide`).addEventListener("input", () => take(fromSlide(Number($(`${name}-slide`).value))));
  return (value) => {
    if (document.activeElement === $(name) && player.running !== null) return; // somebody is typing
    if (Number($(name).value) !== Number(clean(value)) || $(name).value === "") $(name).value = clean(value);
    $(`${name}-slide`).value = toSlide(value);
    $(`${name}-slide`).setAttribute("aria-valuetext", clean(value));
  };
}

const same = (value) => value;
const DIALS = {
  rate: dial("rate", { toSlide: Math.log10, fromSlide: (power) => Number((10 ** power).toPrecision(2)), rule: isRate,
    sentence: "The learning rate must be a number above 0.", change: (play, rate) => ({ ...play, rate, failed: false }) }),
  momentum: dial("momentum", { toSlide: same, fromSlide: same, rule: isMomentum,
    sentence: "The momentum must be a number from 0 to below 1.", change: (play, momentum) => ({ ...play, momentum, failed: false }) }),
  weight: dial("weight", { toSlide: same, fromSlide: same, rule: Number.isFinite,
    sentence: "A weight must be a number.", change: (play, value) => withWeight(play, player.picked, value) }),
};

function showPlay() {
  DIALS.rate(moment.rate);
  DIALS.momentum(moment.momentum);
  DIALS.weight(moment.weights[player.picked]);
  $("pick").value = player.picked;
  $("copied").textContent = ""; // that was another net
  $("link").hidden = true;
}

// The strip above the page: which net is shown, and what can be done with it.
function showMode() {
  const { play } = state;
  $("mode-which").textContent = play ? "Shown: your net" : "Shown: the recorded run";
  $("mode-count").textContent = play ? `, ${plural(play.epochs, "epoch")} ${play.seed === null
    ? `after epoch ${play.from.toLocaleString("en")} of the recorded run`
    : `after new small weights, seed ${play.seed}`}.` : ".";
  const news = play ? moment.end : "";
  if ($("mode-news").textContent !== news) $("mode-news").textContent = news;
  for (const id of ["run", "once"]) $(id).disabled = Boolean(play && moment.end);
  $("recorded").hidden = !play;
  $("yours").hidden = Boolean(play) || aside === null;
  $("play-key").hidden = !play;
  document.body.classList.toggle("played", Boolean(play));
}

function pick(k) {
  player.picked = k;
  openPanel("play");
  showPlay();
  showStep();
}

function openPanel(name) {
  for (const each of ["steps", "play"]) {
    $(`${each}-panel`).hidden = each !== name;
    $(`${each}-tab`).setAttribute("aria-pressed", String(each === name));
  }
  showStep();
}

const isPlayOpen = () => !$("play-panel").hidden;

async function copyLink() {
  if (lesson.numParameters > MOST_SHARED && state.play) {
    $("copied").textContent = "This net has too many weights for a link.";
    return;
  }
  stop(); // the link is of the net at this moment
  showAddress();
  $("link").hidden = true;
  try {
    await navigator.clipboard.writeText(location.href);
    $("copied").textContent = "Copied: the link opens the page with this very net.";
  } catch {
    $("link").hidden = false;
    $("link").value = location.href;
    $("link").select();
    $("copied").textContent = "Copy this address:";
  }
}

function smallWeights() {
  const seed = Number($("seed").value || NaN), isGood = Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32;
  $("play-fault").textContent = isGood ? "" : "The seed must be a whole number from 0 to 4,294,967,295.";
  if (isGood) go({ play: withSmallWeights(playHere(), seed) });
}

function wirePlay() {
  for (const { k, name, places } of PARAMETERS) {
    const marks = `${places > 1 ? ` (${places} places)` : ""}${lesson.learning.frozen[k] ? " (frozen)" : ""}`;
    $("pick").append(element("option", { value: k }, name + marks));
  }
  for (const speed of SPEEDS) $("speed").append(element("option", { value: speed }, plural(speed, "epoch")));
  $("speed").value = player.speed;
  $("speed").addEventListener("change", () => { player.speed = Number($("speed").value); });
  $("pick").addEventListener("change", () => pick(Number($("pick").value)));
  $("steps-tab").addEventListener("click", () => openPanel("steps"));
  $("play-tab").addEventListener("click", () => openPanel("play"));
  $("run").addEventListener("click", () => {
    if (player.running !== null) { stop(); return; }
    playback(false);
    learn(0);
    if (!moment.end) run(true);
  });
  $("once").addEventListener("click", () => { stop(); learn(1); });
  $("recorded").addEventListener("click", () => go({ play: null }));
  $("yours").addEventListener("click", () => go({ play: aside }));
  $("small").addEventListener("click", () => { stop(); smallWeights(); });
  $("copy").addEventListener("click", copyLink);
}

// The player. Without this script the curves and the changes are still readable.
document.documentElement.classList.add("js");
const { frame_count: frameCount, frames, targets } = JSON.parse(document.getElementById("run-data").textContent);
const byId = (id) => document.getElementById(id);
const canvas = byId("video"), context = canvas.getContext("2d"), scrub = byId("scrub"), play = byId("play");
const scale = canvas.width / frames.size[1];
const count = frames.images.length;
const images = [];
let shown = 0, timer = 0;
let highlighted = [];  // target and index of the candidate at the pointer
scrub.max = Math.max(0, count - 1);

function imageOf(i) {
  if (!images[i]) {
    images[i] = new Image();
    images[i].src = frames.images[i];
    images[i].decode().then(() => i === shown && paint(), () => {});
  }
  return images[i];
}

const isOn = (target) => document.querySelector(`input[data-target="${target}"]`).checked;

function paint() {
  const image = imageOf(shown);
  if (!image.complete || !image.naturalWidth) return;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const selected = targets.map((target, t) => [target, t]).filter(([, t]) => isOn(t));
  if (byId("dim").checked) dimBackground(image, selected);
  for (const [target, t] of selected) drawMask(new Path2D(frames.masks[shown][t]), target.colour, byId("fill").checked);
  if (byId("tracks").checked) for (const [target, t] of selected) for (const [id, path] of frames.tracks[shown][t]) drawLabel(id, center(path), target.colour);
  if (candidatesOn()) for (const [target, t] of selected) drawCandidates(frames.candidates[shown][t] || [], target.colour, highlighted[0] === t ? highlighted[1] : -1);
}

// Candidates have dashed outlines; the one at the pointer is filled.
function drawCandidates(candidates, colour, filled) {
  candidates.filter((_, i) => i === filled).forEach(([, , , path]) => {
    context.fillStyle = "rgba(255, 255, 255, 0.5)";
    context.fill(new Path2D(path), "evenodd");
  });
  candidates.forEach(([, , , path], i) => drawCandidate(path, i, colour));
}

function drawCandidate(path, i, colour) {
  const shape = new Path2D(path);
  for (const [style, width, dash] of [["rgba(20, 20, 20, 0.8)", 3, []], [colour, 1.8, [5, 4]]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.stroke(shape);
  }
  context.setLineDash([]);
  drawLabel(i + 1, topPoint(path), colour);
}

function dimBackground(image, selected) {
  context.fillStyle = "rgba(0, 0, 0, 0.6)";
  context.fillRect(0, 0, frames.size[1], frames.size[0]);
  for (const [, t] of selected) {
    context.save();
    context.clip(new Path2D(frames.masks[shown][t]), "evenodd");
    context.drawImage(image, 0, 0, frames.size[1], frames.size[0]);
    context.restore();
  }
}

function drawMask(path, colour, filled) {
  context.lineJoin = "round";
  if (filled) {
    context.globalAlpha = 0.42;
    context.fillStyle = colour;
    context.fill(path, "evenodd");
    context.globalAlpha = 1;
  }
  for (const [style, width] of [["#141414", 3.2], [colour, 1.6]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke(path);
  }
}

const points = (path) => {
  const numbers = path.match(/[\d.]+/g).map(Number);
  return numbers.filter((_, i) => i % 2 === 0).map((x, i) => [x, numbers[2 * i + 1]]);
};

function center(path) {
  const between = (of) => (Math.min(...of) + Math.max(...of)) / 2;
  return [0, 1].map((axis) => between(points(path).map((point) => point[axis])));
}

// The position of a label: outlines inside each other have different top points.
function topPoint(path) {
  const [x, y] = points(path).reduce((best, point) => (point[1] < best[1] ? point : best));
  return [Math.max(8, Math.min(frames.size[1] - 8, x)), Math.max(9, y)];
}

function drawLabel(text, [x, y], colour) {
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 4;
  context.strokeStyle = "#141414";
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

// The candidates of the image model on this frame, one button each.
const candidatesOn = () => Boolean(frames.candidates) && byId("candidates").checked;

function showCandidates() {
  highlighted = [];
  for (const list of document.querySelectorAll(".candidates")) {
    list.replaceChildren();
    if (!candidatesOn()) continue;
    const t = Number(list.dataset.target), candidates = frames.candidates[shown][t];
    if (!candidates) {
      const withCandidates = frames.candidates.flatMap((of, i) => (of[t] ? [i] : []));
      if (!withCandidates.length) continue;
      const nearestIndex = withCandidates.reduce((best, i) => (Math.abs(i - shown) < Math.abs(best - shown) ? i : best));
      list.append("The model did not run on this frame. ");
      button(list, `Go to frame ${frames.indices[nearestIndex]}`).addEventListener("click", () => { stop(); goTo(nearestIndex); });
    } else if (!candidates.length) list.append("The model has no candidates on this frame.");
    else candidates.forEach(([likelihood, quality, isShown], i) => {
      const choice = button(list, `${i + 1}: ${likelihood} %${isShown ? " shown" : ""}`);
      choice.title = `likelihood that it is meant, if the target is there; quality of its outline ${quality} %`;
      const point = (at) => () => { highlighted = at; paint(); };
      for (const event of ["pointerenter", "focus", "click"]) choice.addEventListener(event, point([t, i]));
      for (const event of ["pointerleave", "blur"]) choice.addEventListener(event, point([]));
    });
  }
}

function button(list, text) {
  const element = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  list.append(element);
  return element;
}

function goTo(i) {
  shown = Math.max(0, Math.min(count - 1, i));
  scrub.value = shown;
  const position = frames.positions[shown];
  byId("caption").textContent = `frame ${frames.indices[shown]} · ${frames.times[shown].toFixed(2)} s`;
  targets.forEach((target, t) => {
    const score = target.present[position] ? `score ${(target.score[position] / 100).toFixed(2)}` : "absent";
    const output = document.querySelector(`output[data-target="${t}"]`);
    output.textContent = `presence ${(target.presence[position] / 100).toFixed(2)}, ${score}`;
  });
  const left = frameCount > 1 ? (100 * position) / (frameCount - 1) : 50;
  for (const cursor of document.querySelectorAll(".cursor")) cursor.style.left = `${left}%`;
  showCandidates();
  paint();
  if (shown + 1 < count) imageOf(shown + 1);
}

// The embedded frame that is nearest to a position among all frames.
const nearest = (position) =>
  frames.positions.reduce((best, p, i) => (Math.abs(p - position) < Math.abs(frames.positions[best] - position) ? i : best), 0);

function stop() {
  clearTimeout(timer);
  timer = 0;
  play.textContent = "Play";
}

function playNext() {
  if (shown + 1 >= count) return stop();
  const wait = 1000 * (frames.times[shown + 1] - frames.times[shown]);
  timer = setTimeout(() => { goTo(shown + 1); playNext(); }, Math.max(20, Math.min(1000, wait)));
}

play.addEventListener("click", () => {
  if (timer) return stop();
  if (shown + 1 >= count) goTo(0);
  play.textContent = "Pause";
  playNext();
});
scrub.addEventListener("input", () => { stop(); goTo(Number(scrub.value)); });
for (const input of document.querySelectorAll("input[type=checkbox]")) input.addEventListener("change", () => { showCandidates(); paint(); });
for (const timeline of document.querySelectorAll(".target-timeline")) {
  const follow = (event) => {
    const box = timeline.getBoundingClientRect();
    stop();
    goTo(nearest(((event.clientX - box.left) / box.width) * (frameCount - 1)));
  };
  timeline.addEventListener("pointerdown", follow);
  timeline.addEventListener("pointermove", (event) => event.buttons && follow(event));
}
for (const figure of document.querySelectorAll(".changes figure")) {
  const follow = () => { stop(); goTo(nearest(Number(figure.dataset.position))); canvas.scrollIntoView({ block: "nearest" }); };
  figure.addEventListener("click", follow);
  figure.addEventListener("keydown", (event) => event.key === "Enter" && follow());
}
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && event.target.type !== "range") { stop(); goTo(shown + step); }
  if (frames.candidates && event.key.toLowerCase() === "c" && !event.ctrlKey && !event.metaKey && !event.altKey) byId("candidates").click();
});
goTo(0);

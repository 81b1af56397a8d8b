// The film, and the ways to move through it. Without it the curves and the changes read the same.
document.documentElement.classList.add("js");
const { frames, film, targets } = JSON.parse(document.getElementById("run-data").textContent);
const byId = (id) => document.getElementById(id);
const canvas = byId("film"), context = canvas.getContext("2d"), scrub = byId("scrub"), play = byId("play");
const scale = canvas.width / film.size[1];
const count = film.pictures.length;
const pictures = [];
let shown = 0, timer = 0;
let lit = [];  // target and number of the candidate that is pointed at
scrub.max = Math.max(0, count - 1);

function picture(i) {
  if (!pictures[i]) {
    pictures[i] = new Image();
    pictures[i].src = film.pictures[i];
    pictures[i].decode().then(() => i === shown && paint(), () => {});
  }
  return pictures[i];
}

const on = (target) => document.querySelector(`input[data-target="${target}"]`).checked;

function paint() {
  const image = picture(shown);
  if (!image.complete || !image.naturalWidth) return;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const wanted = targets.map((target, t) => [target, t]).filter(([, t]) => on(t));
  if (byId("dim").checked) dimRest(image, wanted);
  for (const [target, t] of wanted) mark(new Path2D(film.masks[shown][t]), target.colour, byId("fill").checked);
  if (byId("tracks").checked) for (const [target, t] of wanted) for (const [id, path] of film.tracks[shown][t]) name(id, middle(path), target.colour);
  if (isOffering()) for (const [target, t] of wanted) outlines(film.candidates[shown][t] || [], target.colour, lit[0] === t ? lit[1] : -1);
}

// Candidates: dashed; below them the one that is pointed at is filled.
function outlines(candidates, colour, pointed) {
  candidates.filter((_, i) => i === pointed).forEach(([, , , path]) => {
    context.fillStyle = "rgba(255, 255, 255, 0.5)";
    context.fill(new Path2D(path), "evenodd");
  });
  candidates.forEach(([, , , path], i) => outline(path, i, colour));
}

function outline(path, i, colour) {
  const shape = new Path2D(path);
  for (const [style, width, dash] of [["rgba(20, 20, 20, 0.8)", 3, []], [colour, 1.8, [5, 4]]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.stroke(shape);
  }
  context.setLineDash([]);
  name(i + 1, highest(path), colour);
}

function dimRest(image, wanted) {
  context.fillStyle = "rgba(0, 0, 0, 0.6)";
  context.fillRect(0, 0, film.size[1], film.size[0]);
  for (const [, t] of wanted) {
    context.save();
    context.clip(new Path2D(film.masks[shown][t]), "evenodd");
    context.drawImage(image, 0, 0, film.size[1], film.size[0]);
    context.restore();
  }
}

function mark(path, colour, filled) {
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

function middle(path) {
  const between = (of) => (Math.min(...of) + Math.max(...of)) / 2;
  return [0, 1].map((axis) => between(points(path).map((point) => point[axis])));
}

// Where a number stands on the edge: outlines that lie within each other have different tops.
function highest(path) {
  const [x, y] = points(path).reduce((best, point) => (point[1] < best[1] ? point : best));
  return [Math.max(8, Math.min(film.size[1] - 8, x)), Math.max(9, y)];
}

function name(text, [x, y], colour) {
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 4;
  context.strokeStyle = "#141414";
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

// What the image model held possible on this frame, a button each.
const isOffering = () => Boolean(film.candidates) && byId("candidates").checked;

function offer() {
  lit = [];
  for (const place of document.querySelectorAll(".candidates")) {
    place.replaceChildren();
    if (!isOffering()) continue;
    const t = Number(place.dataset.target), held = film.candidates[shown][t];
    if (!held) {
      const asked = film.candidates.flatMap((of, i) => (of[t] ? [i] : []));
      if (!asked.length) continue;
      const near = asked.reduce((best, i) => (Math.abs(i - shown) < Math.abs(best - shown) ? i : best));
      place.append("The model was not asked on this frame. ");
      button(place, `Go to frame ${film.indices[near]}`).addEventListener("click", () => { stop(); go(near); });
    } else if (!held.length) place.append("The model held nothing on this frame possible.");
    else held.forEach(([likelihood, quality, isTaken], i) => {
      const choice = button(place, `${i + 1}: ${likelihood} %${isTaken ? " shown" : ""}`);
      choice.title = `how likely it is meant, if it is there; quality of its outline ${quality} %`;
      const point = (at) => () => { lit = at; paint(); };
      for (const event of ["pointerenter", "focus", "click"]) choice.addEventListener(event, point([t, i]));
      for (const event of ["pointerleave", "blur"]) choice.addEventListener(event, point([]));
    });
  }
}

function button(place, text) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  place.append(made);
  return made;
}

function go(i) {
  shown = Math.max(0, Math.min(count - 1, i));
  scrub.value = shown;
  const position = film.positions[shown];
  byId("where").textContent = `frame ${film.indices[shown]} · ${film.times[shown].toFixed(2)} s`;
  targets.forEach((target, t) => {
    const score = target.present[position] ? `score ${(target.score[position] / 100).toFixed(2)}` : "absent";
    const said = document.querySelector(`output[data-target="${t}"]`);
    said.textContent = `presence ${(target.presence[position] / 100).toFixed(2)}, ${score}`;
  });
  const left = frames > 1 ? (100 * position) / (frames - 1) : 50;
  for (const cursor of document.querySelectorAll(".cursor")) cursor.style.left = `${left}%`;
  offer();
  paint();
  if (shown + 1 < count) picture(shown + 1);
}

// The held frame that is nearest to a position among all frames.
const nearest = (position) =>
  film.positions.reduce((best, p, i) => (Math.abs(p - position) < Math.abs(film.positions[best] - position) ? i : best), 0);

function stop() {
  clearTimeout(timer);
  timer = 0;
  play.textContent = "Play";
}

function advance() {
  if (shown + 1 >= count) return stop();
  const wait = 1000 * (film.times[shown + 1] - film.times[shown]);
  timer = setTimeout(() => { go(shown + 1); advance(); }, Math.max(20, Math.min(1000, wait)));
}

play.addEventListener("click", () => {
  if (timer) return stop();
  if (shown + 1 >= count) go(0);
  play.textContent = "Pause";
  advance();
});
scrub.addEventListener("input", () => { stop(); go(Number(scrub.value)); });
for (const input of document.querySelectorAll("input[type=checkbox]")) input.addEventListener("change", () => { offer(); paint(); });
for (const course of document.querySelectorAll(".course")) {
  const follow = (event) => {
    const box = course.getBoundingClientRect();
    stop();
    go(nearest(((event.clientX - box.left) / box.width) * (frames - 1)));
  };
  course.addEventListener("pointerdown", follow);
  course.addEventListener("pointermove", (event) => event.buttons && follow(event));
}
for (const figure of document.querySelectorAll(".changes figure")) {
  const follow = () => { stop(); go(nearest(Number(figure.dataset.position))); canvas.scrollIntoView({ block: "nearest" }); };
  figure.addEventListener("click", follow);
  figure.addEventListener("keydown", (event) => event.key === "Enter" && follow());
}
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && event.target.type !== "range") { stop(); go(shown + step); }
  if (film.candidates && event.key.toLowerCase() === "c" && !event.ctrlKey && !event.metaKey && !event.altKey) byId("candidates").click();
});
go(0);

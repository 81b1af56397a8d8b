// The film, and the ways to move through it. Without it the curves and the changes read the same.
document.documentElement.classList.add("js");
const { frames, film, targets } = JSON.parse(document.getElementById("run-data").textContent);
const byId = (id) => document.getElementById(id);
const canvas = byId("film"), context = canvas.getContext("2d"), scrub = byId("scrub"), play = byId("play");
const scale = canvas.width / film.size[1];
const count = film.pictures.length;
const pictures = [];
let shown = 0, timer = 0;
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
  if (byId("tracks").checked) for (const [target, t] of wanted) for (const track of film.tracks[shown][t]) name(track, target.colour);
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

function name([id, path], colour) {
  const numbers = path.match(/[\d.]+/g).map(Number);
  const middle = (axis) => {
    const of = numbers.filter((_, i) => i % 2 === axis);
    return (Math.min(...of) + Math.max(...of)) / 2;
  };
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 4;
  context.strokeStyle = "#141414";
  context.strokeText(id, middle(0), middle(1));
  context.fillStyle = colour;
  context.fillText(id, middle(0), middle(1));
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
for (const input of document.querySelectorAll("input[type=checkbox]")) input.addEventListener("change", paint);
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
});
go(0);

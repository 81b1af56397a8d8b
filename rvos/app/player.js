// The player: shows what a visit has found, and sends what the visitor says of it. It keeps no more than what is on the
// screen; all texts of visitors and files go in as text, never as markup.
const root = element.querySelector('.player');
const at = (selector) => root.querySelector(selector);
const all = (selector) => [...root.querySelectorAll(selector)];
const [says, bar, stage, frameImage, canvas, shapes] =
  ['.says', '.bar', '.stage', '.frame', 'canvas', '.shapes'].map(at);
const slider = at('.scrub input'), picture = at('.picture'), which = at('.which');
const SVG = 'http://www.w3.org/2000/svg';
let token = '', stamp = '', film = null, found = {expressions: [], frames: [], corrections: [], downloads: []};
let frame = 0, view = 'overlay', mode = '', candidates = [], points = [], playing = null, pen = null, pace = null, state = '';

// Where the page lies, also behind a proxy that shows it under a path of its own.
const base = new URL((window.gradio_config || {}).root || document.baseURI, document.baseURI).pathname.replace(/\/*$/, '/');
const address = (what, query = {}) => `${base}visits/${token}/${what}?` + new URLSearchParams(query);

async function ask(what, query, body) {
  const options = body && {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)};
  const answer = await fetch(address(what, query), options || {});
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error || 'the server does not answer: reload the page');
  return told;
}

function complain(error) {
  says.textContent = error.message;
  says.classList.add('fault');
}

function make(tag, text, parent, properties = {}) {
  const node = Object.assign(document.createElement(tag), properties);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

async function poll() {
  if (!root.isConnected) return;
  let wait = 1500;
  if (token) {
    const asked = token;
    try {
      const told = await ask('status', {known: stamp});
      if (asked === token) { tell(told); if (['watching', 'waiting'].includes(told.state)) wait = 600; }
    } catch (error) { complain(error); wait = 5000; }
  }
  clearTimeout(root.timer);
  root.timer = setTimeout(poll, wait);
}

function tell(told) {
  says.textContent = told.says + left(told);
  says.classList.toggle('fault', told.state === 'failed');
  state = told.state;
  const works = ['watching', 'waiting'].includes(state);
  bar.hidden = !works;
  bar.firstElementChild.style.width = `${told.total ? 100 * told.done / told.total : 0}%`;
  at('.work').hidden = !(works || state === 'stopped' || state === 'failed');
  at('.stop').hidden = !works;
  at('.go-on').hidden = works;
  if (told.stamp === stamp) return;
  stamp = told.stamp;
  const before = film && JSON.stringify(film);
  film = told.film || null;
  stage.hidden = !film;
  if (!film) return;
  found = {expressions: [], frames: [], corrections: [], downloads: [], ...told};
  slider.max = film.frames - 1;
  if (JSON.stringify(film) !== before && frame >= film.frames) frame = 0;
  if (before === null || JSON.parse(before).name !== film.name) { frame = 0; leaveMode(); }
  at('.correct').hidden = !found.expressions.length;
  at('.take').hidden = !found.downloads.length;
  rows(); options(); corrections(); files(); show();
}

// How long it will take, when it has gone on for a while.
function left(told) {
  const now = performance.now();
  if (told.state !== 'watching' || !told.done || !pace || told.done < pace.done) {
    pace = told.state === 'watching' && told.done ? {done: told.done, at: now} : null;
    return '';
  }
  const gone = (now - pace.at) / 1000, seconds = (told.total - told.done) * gone / (told.done - pace.done);
  if (gone < 4 || !Number.isFinite(seconds)) return '';
  return seconds < 90 ? ` About ${Math.max(1, Math.round(seconds))} s left.` : ` About ${Math.round(seconds / 60)} minutes left.`;
}

function show() {
  slider.value = frame;
  at('.scrub output').textContent = `${frame + 1} / ${film.frames} · ${(frame / film.rate).toFixed(2)} s`;
  const drawn = mode ? (mode === 'candidates' ? 'film' : view === 'film' ? 'film' : 'overlay') : view;
  frameImage.alt = `Frame ${frame + 1} of ${film.name}`;
  const known = frame < found.done ? 2 : found.frames.includes(frame) ? 1 : 0;
  const wanted = address('picture', {frame, view: drawn, of: `${found.pictures || stamp}.${known}`});
  if (frameImage.dataset.wanted !== wanted) { frameImage.dataset.wanted = wanted; frameImage.src = wanted; }
  all('.track').forEach((row, i) => mark(row, found.expressions[i]));
}

function go(to) {
  const next = Math.max(0, Math.min(film.frames - 1, Math.round(to)));
  if (next !== frame) { frame = next; forget(); show(); }
}

// --- the timeline: presence as a line, score as an area, a bar where a mask is shown
function rows() {
  const place = at('.rows');
  const open = all('.track details').map((each) => each.open);
  place.replaceChildren();
  found.expressions.forEach((expression, i) => {
    const row = make('div', null, place, {className: 'track'});
    const name = make('div', null, row, {className: 'name'});
    make('i', '', name).style.background = expression.colour;
    make('b', expression.text, name);
    make('span', '', name);
    row.append(timeline(expression));
    if (state === 'done' && !expression.shown.some(Boolean))
      make('p', 'Found on no frame. Simpler words may help: one noun, a colour, a place.', row, {className: 'hint'});
    if (expression.understood.length) {
      const details = make('details', null, row);
      details.open = Boolean(open[i]);
      make('summary', 'Understood as', details);
      const list = make('ul', null, details);
      expression.understood.forEach((line) => make('li', line, list));
    }
  });
  if (found.expressions.length)
    make('p', 'Line: presence. Area: score. Strip: where a mask is shown. Click to go there.', place, {className: 'legend'});
}

function timeline(expression) {
  const svg = document.createElementNS(SVG, 'svg'), n = Math.max(1, film.frames - 1);
  svg.setAttribute('viewBox', '0 0 1000 52');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `Presence and score of ${expression.text}`);
  const draw = (tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    svg.append(node);
    return node;
  };
  const x = (index) => 1000 * index / n, y = (value) => 40 - 36 * value;
  const frames = found.frames, dense = frames.slice(0, found.done);
  const path = (values) => dense.map((f, k) => `${k ? 'L' : 'M'}${x(f).toFixed(1)} ${y(values[k]).toFixed(1)}`).join('');
  const scored = expression.score.map((score, k) => expression.shown[k] ? score : 0);
  if (dense.length > 1) {
    draw('path', {d: `${path(scored)}L${x(dense.length - 1)} 40L0 40Z`, fill: expression.colour, opacity: .3});
    draw('path', {d: path(expression.presence), fill: 'none', stroke: expression.colour, 'stroke-width': 2, 'vector-effect': 'non-scaling-stroke'});
  }
  frames.forEach((f, k) => {
    if (k >= dense.length) {
      const line = {x1: x(f), x2: x(f), stroke: expression.colour, 'stroke-width': 4, 'vector-effect': 'non-scaling-stroke'};
      draw('line', {...line, y1: y(expression.presence[k]), y2: 41, opacity: .6});
      if (expression.shown[k]) draw('line', {...line, y1: 45, y2: 50});
    } else if (expression.shown[k]) {
      draw('rect', {x: x(f - .5), y: 45, width: 1000 / n + 1, height: 5, fill: expression.colour});
    }
  });
  const index = found.expressions.indexOf(expression);
  found.corrections.filter((each) => each.expression === index).forEach((each) =>
    draw('path', {d: `M${x(each.frame) - 5} 0L${x(each.frame) + 5} 0L${x(each.frame)} 9Z`, fill: 'currentColor'}));
  draw('line', {class: 'here', x1: 0, x2: 0, y1: 0, y2: 52, stroke: 'currentColor', 'stroke-width': 1.5, 'vector-effect': 'non-scaling-stroke'});
  svg.addEventListener('click', (event) => {
    const box = svg.getBoundingClientRect();
    go(n * (event.clientX - box.left) / box.width);
  });
  return svg;
}

function mark(row, expression) {
  const here = row.querySelector('.here'), k = found.frames.indexOf(frame);
  const x = 1000 * frame / Math.max(1, film.frames - 1);
  here.setAttribute('x1', x); here.setAttribute('x2', x);
  row.querySelector('.name span').textContent = k < 0 ? 'not processed yet' :
    `presence ${expression.presence[k].toFixed(2)} · ${expression.shown[k] ? 'score ' + expression.score[k].toFixed(2) : 'not shown'}`;
}

// --- corrections
function options() {
  const kept = which.value;
  which.replaceChildren();
  found.expressions.forEach((expression, i) => make('option', expression.text, which, {value: i}));
  if (kept && kept < found.expressions.length) which.value = kept;
}

function corrections() {
  const list = at('.corrections');
  list.replaceChildren();
  found.corrections.forEach((each) => {
    const item = make('li', null, list);
    const {frame, expression, absent} = each, {text} = found.expressions[expression];
    make('span', absent ? `Not visible on frame ${frame + 1}: ${text}` : `From frame ${frame + 1} on: ${text}`, item);
    make('button', 'Undo', item, {type: 'button', onclick: () => send('withdraw', {frame, expression})});
  });
}

function files() {
  const place = at('.files');
  if (place.childElementCount === found.downloads.length) return;
  place.replaceChildren();
  found.downloads.forEach(({name, title}) => {
    const item = make('li', null, place);
    make('a', name.replaceAll('_', ' '), item, {href: address(`files/${name}`).replace(/\?$/, ''), download: ''});
    make('span', title, item);
  });
}

async function send(what, body) {
  try {
    leaveMode();
    says.textContent = 'One moment ...';
    await ask(what, {}, body);
    stamp = '';
    await poll();
  } catch (error) { complain(error); }
}

function forget() {
  candidates = []; points = [];
  shapes.replaceChildren();
  at('.found').replaceChildren();
  canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
  if (mode === 'candidates') leaveMode();
}

function leaveMode() {
  mode = '';
  picture.classList.remove('drawing', 'choosing');
  at('.finish').hidden = true;
  all('[data-mode]').forEach((button) => button.setAttribute('aria-pressed', 'false'));
  candidates = []; points = [];
  shapes.replaceChildren(); at('.found').replaceChildren();
}

async function enter(wanted) {
  const again = mode === wanted;
  leaveMode();
  if (again) { show(); return; }
  mode = wanted;
  all('[data-mode]').forEach((button) => button.setAttribute('aria-pressed', String(button.dataset.mode === mode)));
  pause();
  show();
  if (mode === 'candidates') return offer();
  canvas.width = film.width; canvas.height = film.height;
  at('.finish').hidden = false;
  at('.size').hidden = mode !== 'paint';
  picture.classList.add('drawing');
  picture.scrollIntoView({block: 'nearest', behavior: 'smooth'});
}

async function offer() {
  const place = at('.found');
  place.replaceChildren();
  make('span', 'The model is running ...', place, {className: 'hint'});
  const asked = frame;
  try {
    const given = await ask('candidates', {frame, expression: which.value});
    if (asked !== frame || mode !== 'candidates') return;
    candidates = given;
  } catch (error) { place.replaceChildren(); complain(error); return; }
  place.replaceChildren();
  if (!candidates.length) make('span', 'The model considers no region on this frame. Paint the target instead.', place, {className: 'hint'});
  const colour = found.expressions[which.value].colour;
  setTimeout(() => light(0));
  await Promise.all(candidates.map(async (candidate, i) => {
    const shape = make('i', '', shapes);
    shape.style.background = colour;
    shape.style.maskImage = shape.style.webkitMaskImage = `url(${candidate.shape})`;
    const button = make('button', `${i + 1}: ${Math.round(100 * candidate.likelihood)} %`, place, {type: 'button', onclick: () => choose(i)});
    button.onmouseenter = button.onfocus = () => light(i);
    const image = Object.assign(new Image(), {src: candidate.shape});
    await image.decode();
    const pixels = document.createElement('canvas');
    pixels.width = film.width; pixels.height = film.height;
    const drawing = pixels.getContext('2d', {willReadFrequently: true});
    drawing.drawImage(image, 0, 0);
    candidate.covers = (x, y) => drawing.getImageData(x, y, 1, 1).data[3] > 127;
    candidate.area = drawing.getImageData(0, 0, film.width, film.height).data.reduce((sum, value, k) => sum + (k % 4 === 3 && value > 127), 0);
  }));
  picture.classList.add('choosing');
}

const light = (i) => [...shapes.children].forEach((shape, k) => shape.classList.toggle('on', k === i));
const choose = (i) => send('correct', {frame, expression: Number(which.value), candidate: i});

function spot(event) {
  const box = frameImage.getBoundingClientRect();
  const scale = Math.min(box.width / film.width, box.height / film.height);
  const left = box.left + (box.width - scale * film.width) / 2, top = box.top + (box.height - scale * film.height) / 2;
  return [(event.clientX - left) / scale, (event.clientY - top) / scale];
}

function under(event) {
  const [x, y] = spot(event).map(Math.floor);
  if (x < 0 || y < 0 || x >= film.width || y >= film.height) return -1;
  const hit = candidates.map((candidate, i) => i).filter((i) => candidates[i].covers && candidates[i].covers(x, y));
  return hit.length ? hit.reduce((best, i) => candidates[i].area < candidates[best].area ? i : best) : -1;
}

picture.addEventListener('mousemove', (event) => {
  if (mode !== 'candidates' || !candidates.length) return;
  const i = under(event);
  if (i >= 0) light(i);
});
picture.addEventListener('click', (event) => {
  if (mode !== 'candidates' || !candidates.length) return;
  const i = under(event);
  if (i >= 0) choose(i);
});

function ink() {
  const drawing = canvas.getContext('2d');
  drawing.strokeStyle = drawing.fillStyle = found.expressions[which.value].colour;
  drawing.lineCap = drawing.lineJoin = 'round';
  drawing.lineWidth = at('.size input').value * film.width / frameImage.getBoundingClientRect().width;
  return drawing;
}

function outline() {
  const drawing = ink();
  drawing.clearRect(0, 0, canvas.width, canvas.height);
  if (!points.length) return;
  drawing.lineWidth = Math.max(2, film.width / 250);
  drawing.beginPath();
  points.forEach(([x, y]) => drawing.lineTo(x, y));
  drawing.closePath();
  if (points.length > 2) drawing.fill();
  drawing.stroke();
  points.forEach(([x, y]) => { drawing.beginPath(); drawing.arc(x, y, 1.5 * drawing.lineWidth, 0, 7); drawing.fill(); });
}

canvas.addEventListener('pointerdown', (event) => {
  if (mode === 'outline') { points.push(spot(event)); outline(); return; }
  canvas.setPointerCapture(event.pointerId);
  pen = spot(event);
  stroke(event);
});
canvas.addEventListener('pointermove', (event) => { if (pen) stroke(event); });
['pointerup', 'pointercancel'].forEach((name) => canvas.addEventListener(name, () => { pen = null; }));

function stroke(event) {
  const drawing = ink(), to = spot(event);
  drawing.beginPath(); drawing.moveTo(...pen); drawing.lineTo(...to); drawing.stroke();
  pen = to;
}

at('.use').onclick = () => {
  const mask = canvas.toDataURL('image/png');
  send('correct', {frame, expression: Number(which.value), mask});
};
at('.absent').onclick = () => send('correct', {frame, expression: Number(which.value), absent: true});
at('.clear').onclick = () => { points = []; ink().clearRect(0, 0, canvas.width, canvas.height); };
which.onchange = () => { if (mode === 'candidates') { shapes.replaceChildren(); candidates = []; offer(); } };
all('[data-mode]').forEach((button) => { button.onclick = () => enter(button.dataset.mode); });
all('[data-view]').forEach((button) => {
  button.onclick = () => {
    view = button.dataset.view;
    all('[data-view]').forEach((other) => other.setAttribute('aria-pressed', String(other === button)));
    show();
  };
});
at('.correct').addEventListener('toggle', () => { if (!at('.correct').open) { leaveMode(); if (film) show(); } });
slider.oninput = () => go(Number(slider.value));
at('.stop').onclick = () => send('stop', {});
at('.go-on').onclick = () => send('go_on', {});

// --- playing: the next frame when this one is there
function pause() {
  clearTimeout(playing); playing = null;
  at('.play').textContent = '▶'; at('.play').setAttribute('aria-label', 'Play');
}
function tick() {
  if (playing === null) return;
  if (frame >= film.frames - 1) { pause(); return; }
  const began = performance.now();
  frameImage.addEventListener('load', () => {
    if (playing !== null) playing = setTimeout(tick, Math.max(0, 1000 / film.rate - (performance.now() - began)));
  }, {once: true});
  go(frame + 1);
}
at('.play').onclick = () => {
  if (playing !== null) { pause(); return; }
  leaveMode();
  if (frame >= film.frames - 1) go(0);
  playing = 0;
  at('.play').textContent = '❚❚'; at('.play').setAttribute('aria-label', 'Pause');
  tick();
};

function visitOf(value) {
  if (!value || value === token) return;
  token = value; stamp = ''; film = null;
  poll();
}
window.addEventListener('rvos-film', poll);
watch('value', () => visitOf(props.value));
visitOf(props.value);
poll();

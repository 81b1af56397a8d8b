// The player: shows the results of a visit, and sends the corrections of the visitor. It keeps only what is on the screen.
// Texts of visitors and names of files are inserted as text, never as markup.
const root = element.querySelector('.player');
const query = (selector) => root.querySelector(selector);
const queryAll = (selector) => [...root.querySelectorAll(selector)];
const [message, progressBar, content, frameImage, canvas, candidateMasks] =
  ['.message', '.progress', '.content', '.frame', 'canvas', '.candidate-masks'].map(query);
const slider = query('.seek input'), viewport = query('.viewport'), expressionSelect = query('.expression-select');
const SVG = 'http://www.w3.org/2000/svg';
const NO_RESULTS = {expressions: [], frames: [], corrections: [], downloads: []};
let token = '', stamp = '', state = '', video = null, results = NO_RESULTS;
let frame = 0, display = 'overlay', mode = '', candidates = [], points = [];
let playTimer = null, lastPoint = null, speedStart = null;

// The path of the page, also behind a proxy that serves it under a path of its own.
const basePath = new URL((window.gradio_config || {}).root || document.baseURI, document.baseURI).pathname.replace(/\/*$/, '/');
const visitUrl = (route, parameters = {}) => `${basePath}visits/${token}/${route}?` + new URLSearchParams(parameters);

async function request(route, parameters, body) {
  const options = body && {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)};
  const response = await fetch(visitUrl(route, parameters), options || {});
  const data = await response.json();
  if (!response.ok) throw new Error(data.error || 'the server does not answer: reload the page');
  return data;
}

function showError(error) {
  message.textContent = error.message;
  message.classList.add('error');
}

function addElement(tag, text, parent, properties = {}) {
  const node = Object.assign(document.createElement(tag), properties);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

async function poll() {
  if (!root.isConnected) return;
  let wait = 1500;
  if (token) {
    const pollToken = token;
    try {
      const status = await request('status', {known_stamp: stamp});
      if (pollToken === token) { applyStatus(status); if (['processing', 'waiting'].includes(status.state)) wait = 600; }
    } catch (error) { showError(error); wait = 5000; }
  }
  clearTimeout(root.timer);
  root.timer = setTimeout(poll, wait);
}

function applyStatus(status) {
  message.textContent = status.message + remainingTime(status);
  message.classList.toggle('error', status.state === 'failed');
  state = status.state;
  const running = ['processing', 'waiting'].includes(state);
  progressBar.hidden = !running;
  progressBar.firstElementChild.style.width = `${status.total ? 100 * status.done / status.total : 0}%`;
  query('.job').hidden = !(running || state === 'stopped' || state === 'failed');
  query('.stop').hidden = !running;
  query('.resume').hidden = running;
  if (status.stamp === stamp) return;
  stamp = status.stamp;
  const before = video && JSON.stringify(video);
  video = status.video || null;
  content.hidden = !video;
  if (!video) return;
  results = {...NO_RESULTS, ...status}; slider.max = video.frames - 1;
  if (JSON.stringify(video) !== before && frame >= video.frames) frame = 0;
  if (before === null || JSON.parse(before).name !== video.name) { frame = 0; exitMode(); }
  query('.correct').hidden = !results.expressions.length;
  query('.downloads').hidden = !results.downloads.length;
  showExpressions(); fillExpressionSelect(); showCorrections(); showDownloads(); showFrame();
}

// The remaining time, once processing has gone on for some seconds.
function remainingTime(status) {
  const now = performance.now();
  if (status.state !== 'processing' || !status.done || !speedStart || status.done < speedStart.done) {
    speedStart = status.state === 'processing' && status.done ? {done: status.done, at: now} : null;
    return '';
  }
  const elapsed = (now - speedStart.at) / 1000, seconds = (status.total - status.done) * elapsed / (status.done - speedStart.done);
  if (elapsed < 4 || !Number.isFinite(seconds)) return '';
  return seconds < 90 ? ` About ${Math.max(1, Math.round(seconds))} s left.` : ` About ${Math.round(seconds / 60)} minutes left.`;
}

function showFrame() {
  slider.value = frame;
  query('.seek output').textContent = `${frame + 1} / ${video.frames} · ${(frame / video.rate).toFixed(2)} s`;
  const shownDisplay = mode === 'candidates' ? 'original' : mode && display !== 'original' ? 'overlay' : display;
  const resultLevel = frame < results.done ? 2 : results.frames.includes(frame) ? 1 : 0; // a new URL with new results
  const url = visitUrl('frame', {index: frame, display: shownDisplay, version: `${results.images_version || stamp}.${resultLevel}`});
  frameImage.alt = `Frame ${frame + 1} of ${video.name}`;
  if (frameImage.dataset.url !== url) frameImage.dataset.url = frameImage.src = url;
  queryAll('.expression').forEach((row, i) => updateCursor(row, results.expressions[i]));
}

function goTo(index) {
  const next = Math.max(0, Math.min(video.frames - 1, Math.round(index)));
  if (next !== frame) { frame = next; clearDrawing(); showFrame(); }
}

// --- Timelines: presence as a line, score as an area, a strip on frames with a mask
function showExpressions() {
  const list = query('.expressions');
  const isOpen = queryAll('.expression details').map((details) => details.open);
  list.replaceChildren();
  results.expressions.forEach((expression, i) => {
    const row = addElement('div', null, list, {className: 'expression'});
    const name = addElement('div', null, row, {className: 'name'});
    addElement('i', '', name).style.background = expression.colour;
    addElement('b', expression.text, name);
    addElement('span', '', name);
    row.append(timeline(expression));
    if (state === 'done' && !expression.present.some(Boolean))
      addElement('p', 'Found on no frame. Simpler words may help: one noun, a colour, a place.', row, {className: 'hint'});
    if (expression.understood.length) {
      const details = addElement('details', null, row);
      details.open = Boolean(isOpen[i]);
      addElement('summary', 'Understood as', details);
      const lines = addElement('ul', null, details);
      expression.understood.forEach((line) => addElement('li', line, lines));
    }
  });
  if (results.expressions.length)
    addElement('p', 'Line: presence. Area: score. Strip: where a mask is shown. Click to go there.', list, {className: 'legend'});
}

function timeline(expression) {
  const svg = document.createElementNS(SVG, 'svg'), n = Math.max(1, video.frames - 1);
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
  const frames = results.frames, tracked = frames.slice(0, results.done); // those after are of the preview
  const path = (values) => tracked.map((f, k) => `${k ? 'L' : 'M'}${x(f).toFixed(1)} ${y(values[k]).toFixed(1)}`).join('');
  const scores = expression.score.map((score, k) => expression.present[k] ? score : 0);
  if (tracked.length > 1) {
    draw('path', {d: `${path(scores)}L${x(tracked.length - 1)} 40L0 40Z`, fill: expression.colour, opacity: .3});
    draw('path', {d: path(expression.presence), fill: 'none', stroke: expression.colour, 'stroke-width': 2, 'vector-effect': 'non-scaling-stroke'});
  }
  frames.forEach((f, k) => {
    if (k >= tracked.length) {
      const line = {x1: x(f), x2: x(f), stroke: expression.colour, 'stroke-width': 4, 'vector-effect': 'non-scaling-stroke'};
      draw('line', {...line, y1: y(expression.presence[k]), y2: 41, opacity: .6});
      if (expression.present[k]) draw('line', {...line, y1: 45, y2: 50});
    } else if (expression.present[k]) {
      draw('rect', {x: x(f - .5), y: 45, width: 1000 / n + 1, height: 5, fill: expression.colour});
    }
  });
  const index = results.expressions.indexOf(expression);
  results.corrections.filter((correction) => correction.expression === index).forEach((correction) =>
    draw('path', {d: `M${x(correction.frame) - 5} 0L${x(correction.frame) + 5} 0L${x(correction.frame)} 9Z`, fill: 'currentColor'}));
  draw('line', {class: 'cursor', x1: 0, x2: 0, y1: 0, y2: 52, stroke: 'currentColor', 'stroke-width': 1.5, 'vector-effect': 'non-scaling-stroke'});
  svg.addEventListener('click', (event) => {
    const box = svg.getBoundingClientRect();
    goTo(n * (event.clientX - box.left) / box.width);
  });
  return svg;
}

function updateCursor(row, expression) {
  const cursor = row.querySelector('.cursor'), k = results.frames.indexOf(frame);
  const x = 1000 * frame / Math.max(1, video.frames - 1);
  cursor.setAttribute('x1', x); cursor.setAttribute('x2', x);
  row.querySelector('.name span').textContent = k < 0 ? 'not processed yet' :
    `presence ${expression.presence[k].toFixed(2)} · ${expression.present[k] ? 'score ' + expression.score[k].toFixed(2) : 'not shown'}`;
}

// --- Corrections
function fillExpressionSelect() {
  const selected = expressionSelect.value;
  expressionSelect.replaceChildren();
  results.expressions.forEach((expression, i) => addElement('option', expression.text, expressionSelect, {value: i}));
  if (selected && selected < results.expressions.length) expressionSelect.value = selected;
}

function showCorrections() {
  const list = query('.corrections');
  list.replaceChildren();
  results.corrections.forEach(({frame, expression, absent}) => {
    const item = addElement('li', null, list);
    const {text} = results.expressions[expression];
    addElement('span', absent ? `Not visible on frame ${frame + 1}: ${text}` : `From frame ${frame + 1} on: ${text}`, item);
    addElement('button', 'Undo', item, {type: 'button', onclick: () => send('undo', {frame, expression})});
  });
}

function showDownloads() {
  const list = query('.files');
  if (list.childElementCount === results.downloads.length) return;
  list.replaceChildren();
  results.downloads.forEach(({name, title}) => {
    const item = addElement('li', null, list);
    addElement('a', name.replaceAll('_', ' '), item, {href: visitUrl(`files/${name}`).replace(/\?$/, ''), download: ''});
    addElement('span', title, item);
  });
}

async function send(route, body) {
  try {
    exitMode();
    message.textContent = 'One moment ...';
    await request(route, {}, body);
    stamp = '';
    await poll();
  } catch (error) { showError(error); }
}

// Removes candidates and a painted mask, which belong to the frame that was shown.
function clearDrawing() {
  candidates = []; points = [];
  candidateMasks.replaceChildren();
  query('.candidates').replaceChildren();
  canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
  if (mode === 'candidates') exitMode();
}

function exitMode() {
  mode = '';
  viewport.classList.remove('drawing', 'choosing');
  query('.mask-tools').hidden = true;
  queryAll('[data-mode]').forEach((button) => button.setAttribute('aria-pressed', 'false'));
  candidates = []; points = [];
  candidateMasks.replaceChildren(); query('.candidates').replaceChildren();
}

async function enterMode(newMode) {
  const isSame = mode === newMode;
  exitMode();
  if (isSame) { showFrame(); return; } // a second click on the button exits the mode
  mode = newMode;
  queryAll('[data-mode]').forEach((button) => button.setAttribute('aria-pressed', String(button.dataset.mode === mode)));
  pause();
  showFrame();
  if (mode === 'candidates') return loadCandidates();
  canvas.width = video.width; canvas.height = video.height;
  query('.mask-tools').hidden = false;
  query('.brush-size').hidden = mode !== 'paint';
  viewport.classList.add('drawing');
  viewport.scrollIntoView({block: 'nearest', behavior: 'smooth'});
}

async function loadCandidates() {
  const list = query('.candidates');
  list.replaceChildren();
  addElement('span', 'The model is running ...', list, {className: 'hint'});
  const requestFrame = frame;
  try {
    const response = await request('candidates', {frame, expression: expressionSelect.value});
    if (requestFrame !== frame || mode !== 'candidates') return;
    candidates = response;
  } catch (error) { list.replaceChildren(); showError(error); return; }
  list.replaceChildren();
  if (!candidates.length) addElement('span', 'The model considers no region on this frame. Paint the target instead.', list, {className: 'hint'});
  const colour = results.expressions[expressionSelect.value].colour;
  setTimeout(() => highlight(0));
  await Promise.all(candidates.map(async (candidate, i) => {
    const overlay = addElement('i', '', candidateMasks);
    overlay.style.background = colour;
    overlay.style.maskImage = overlay.style.webkitMaskImage = `url(${candidate.mask})`;
    const button = addElement('button', `${i + 1}: ${Math.round(100 * candidate.likelihood)} %`, list, {type: 'button', onclick: () => chooseCandidate(i)});
    button.onmouseenter = button.onfocus = () => highlight(i);
    const image = Object.assign(new Image(), {src: candidate.mask});
    await image.decode();
    const maskCanvas = document.createElement('canvas');
    maskCanvas.width = video.width; maskCanvas.height = video.height;
    const context = maskCanvas.getContext('2d', {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    candidate.contains = (x, y) => context.getImageData(x, y, 1, 1).data[3] > 127;
    candidate.area = context.getImageData(0, 0, video.width, video.height).data.reduce((sum, value, k) => sum + (k % 4 === 3 && value > 127), 0);
  }));
  viewport.classList.add('choosing');
}

const highlight = (i) => [...candidateMasks.children].forEach((overlay, k) => overlay.classList.toggle('on', k === i));
const chooseCandidate = (i) => send('correct', {frame, expression: Number(expressionSelect.value), candidate: i});

function pointerPosition(event) { // in pixels of the video
  const box = frameImage.getBoundingClientRect();
  const scale = Math.min(box.width / video.width, box.height / video.height);
  const left = box.left + (box.width - scale * video.width) / 2, top = box.top + (box.height - scale * video.height) / 2;
  return [(event.clientX - left) / scale, (event.clientY - top) / scale];
}

function candidateAt(event) { // the smallest one at the pointer, -1 for none
  const [x, y] = pointerPosition(event).map(Math.floor);
  if (x < 0 || y < 0 || x >= video.width || y >= video.height) return -1;
  const hits = candidates.map((candidate, i) => i).filter((i) => candidates[i].contains && candidates[i].contains(x, y));
  return hits.length ? hits.reduce((best, i) => candidates[i].area < candidates[best].area ? i : best) : -1;
}

viewport.addEventListener('mousemove', (event) => {
  if (mode !== 'candidates' || !candidates.length) return;
  const i = candidateAt(event);
  if (i >= 0) highlight(i);
});
viewport.addEventListener('click', (event) => {
  if (mode !== 'candidates' || !candidates.length) return;
  const i = candidateAt(event);
  if (i >= 0) chooseCandidate(i);
});

function brushContext() {
  const context = canvas.getContext('2d');
  context.strokeStyle = context.fillStyle = results.expressions[expressionSelect.value].colour;
  context.lineCap = context.lineJoin = 'round';
  context.lineWidth = query('.brush-size input').value * video.width / frameImage.getBoundingClientRect().width;
  return context;
}

function drawOutline() {
  const context = brushContext();
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!points.length) return;
  context.lineWidth = Math.max(2, video.width / 250);
  context.beginPath();
  points.forEach(([x, y]) => context.lineTo(x, y));
  context.closePath();
  if (points.length > 2) context.fill();
  context.stroke();
  points.forEach(([x, y]) => { context.beginPath(); context.arc(x, y, 1.5 * context.lineWidth, 0, 7); context.fill(); });
}

canvas.addEventListener('pointerdown', (event) => {
  if (mode === 'outline') { points.push(pointerPosition(event)); drawOutline(); return; }
  canvas.setPointerCapture(event.pointerId);
  lastPoint = pointerPosition(event);
  drawStroke(event);
});
canvas.addEventListener('pointermove', (event) => { if (lastPoint) drawStroke(event); });
['pointerup', 'pointercancel'].forEach((name) => canvas.addEventListener(name, () => { lastPoint = null; }));

function drawStroke(event) {
  const context = brushContext(), to = pointerPosition(event);
  context.beginPath(); context.moveTo(...lastPoint); context.lineTo(...to); context.stroke();
  lastPoint = to;
}

query('.use-mask').onclick = () => {
  const mask = canvas.toDataURL('image/png');
  send('correct', {frame, expression: Number(expressionSelect.value), mask});
};
query('.absent').onclick = () => send('correct', {frame, expression: Number(expressionSelect.value), absent: true});
query('.clear').onclick = () => { points = []; brushContext().clearRect(0, 0, canvas.width, canvas.height); };
expressionSelect.onchange = () => { if (mode === 'candidates') { candidateMasks.replaceChildren(); candidates = []; loadCandidates(); } };
queryAll('[data-mode]').forEach((button) => { button.onclick = () => enterMode(button.dataset.mode); });
queryAll('[data-display]').forEach((button) => {
  button.onclick = () => {
    display = button.dataset.display;
    queryAll('[data-display]').forEach((other) => other.setAttribute('aria-pressed', String(other === button)));
    showFrame();
  };
});
query('.correct').addEventListener('toggle', () => { if (!query('.correct').open) { exitMode(); if (video) showFrame(); } });
slider.oninput = () => goTo(Number(slider.value));
query('.stop').onclick = () => send('stop', {});
query('.resume').onclick = () => send('resume', {});

// --- Playback: each frame is requested when the one before has been loaded
function pause() {
  clearTimeout(playTimer); playTimer = null;
  query('.play').textContent = '▶'; query('.play').setAttribute('aria-label', 'Play');
}
function playNext() {
  if (playTimer === null) return;
  if (frame >= video.frames - 1) { pause(); return; }
  const start = performance.now();
  frameImage.addEventListener('load', () => {
    if (playTimer !== null) playTimer = setTimeout(playNext, Math.max(0, 1000 / video.rate - (performance.now() - start)));
  }, {once: true});
  goTo(frame + 1);
}
query('.play').onclick = () => {
  if (playTimer !== null) { pause(); return; }
  exitMode();
  if (frame >= video.frames - 1) goTo(0);
  playTimer = 0;
  query('.play').textContent = '❚❚'; query('.play').setAttribute('aria-label', 'Pause');
  playNext();
};

function setVisit(value) {
  if (!value || value === token) return;
  token = value; stamp = ''; video = null;
  poll();
}
window.addEventListener('rvos-video', poll);
watch('value', () => setVisit(props.value));
setVisit(props.value);
poll();

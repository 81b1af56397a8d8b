// Brings a film: a file that is chosen or dropped, or what the camera shows. It goes to the visit as it is.
const root = element.querySelector('.bring');
const at = (selector) => root.querySelector(selector);
const [file, drop, panel, video, rec, told, bar, wrong] =
  ['input', '.drop', '.record', 'video', '.rec', 'output', '.bar', '.wrong'].map(at);
let token = '', limits = {}, camera = null, recorder = null, counting = null, early = null;
const base = new URL((window.gradio_config || {}).root || document.baseURI, document.baseURI).pathname.replace(/\/*$/, '/');

function complain(text) {
  wrong.textContent = text;
  wrong.hidden = !text;
}

// The progress of an upload is told by XMLHttpRequest alone.
function bring(data, name) {
  complain('');
  if (!token) { early = [data, name]; return; } // the visit has not begun yet
  if (data.size > limits.megabytes * 1e6) {
    complain(`'${name}': expected at most ${limits.megabytes} MB, got ${Math.round(data.size / 1e6)}: shorten it, or scale it down`);
    return;
  }
  const request = new XMLHttpRequest();
  request.open('POST', `${base}visits/${token}/film?` + new URLSearchParams({name}));
  request.upload.onprogress = (event) => { bar.firstElementChild.style.width = `${100 * event.loaded / event.total}%`; };
  request.onload = () => {
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch (error) { /* what is no JSON tells nothing */ }
    if (request.status === 200) window.dispatchEvent(new Event('rvos-film'));
    else complain(answer.error || 'the video was not accepted: try again');
  };
  request.onerror = () => complain('the server does not answer: reload the page');
  request.onloadend = () => { bar.hidden = true; drop.inert = false; };
  bar.firstElementChild.style.width = '0';
  bar.hidden = false; drop.inert = true;
  request.send(data);
}

file.onchange = () => {
  if (file.files.length) bring(file.files[0], file.files[0].name);
  file.value = '';
};
['dragenter', 'dragover'].forEach((name) => drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add('over'); }));
['dragleave', 'drop'].forEach((name) => drop.addEventListener(name, () => drop.classList.remove('over')));
drop.addEventListener('drop', (event) => {
  event.preventDefault();
  const [dropped] = event.dataTransfer.files;
  if (dropped) bring(dropped, dropped.name);
});

function closeCamera() {
  if (recorder) { recorder.ondataavailable = recorder.onstop = null; recorder.stop(); }
  if (camera) camera.getTracks().forEach((track) => track.stop());
  clearInterval(counting);
  camera = recorder = video.srcObject = null;
  panel.hidden = true;
  shown();
}

function shown() {
  rec.textContent = recorder ? 'Stop recording' : 'Record';
  rec.setAttribute('aria-pressed', String(Boolean(recorder)));
  told.textContent = '';
}

at('.camera').onclick = async () => {
  complain('');
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    complain('the camera works only on localhost and over https: open the page there, or upload a video');
    return;
  }
  try {
    camera = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1280}, height: {ideal: 720}}, audio: false});
  } catch (error) {
    complain(`the camera cannot be used (${error.message}): allow it in the browser, or upload a video`);
    return;
  }
  video.srcObject = camera;
  panel.hidden = false;
  shown();
};
at('.close').onclick = closeCamera;
rec.onclick = () => {
  if (recorder) { recorder.stop(); return; }
  const parts = [], began = performance.now();
  recorder = new MediaRecorder(camera);
  const kind = recorder.mimeType.includes('mp4') ? 'mp4' : 'webm';
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => { recorder = null; closeCamera(); bring(new Blob(parts), `camera.${kind}`); };
  shown();
  counting = setInterval(() => {
    const seconds = (performance.now() - began) / 1000;
    told.textContent = `${seconds.toFixed(0)} of ${limits.seconds} s`;
    if (recorder && seconds > limits.seconds - 1) recorder.stop();
  }, 250);
  recorder.start();
};

function visitOf(value) {
  if (!value) return;
  ({token, ...limits} = value);
  if (early) bring(...early);
  early = null;
}
watch('value', () => visitOf(props.value));
visitOf(props.value);

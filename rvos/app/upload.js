// Uploads a video: a file that is chosen or dropped, or a recording of the camera. Its bytes are sent unchanged.
const root = element.querySelector('.upload');
const query = (selector) => root.querySelector(selector);
const [fileInput, dropArea, recorderPanel, preview, recordButton, recordedTime, progressBar, errorText] =
  ['input', '.drop', '.recorder', 'video', '.record', 'output', '.progress', '.error'].map(query);
let token = '', limits = {}, camera = null, recorder = null, recordTimer = null, pendingUpload = null;
const basePath = new URL((window.gradio_config || {}).root || document.baseURI, document.baseURI).pathname.replace(/\/*$/, '/');

function showError(text) {
  errorText.textContent = text;
  errorText.hidden = !text;
}

// XMLHttpRequest, because fetch does not report the progress of an upload.
function upload(data, name) {
  showError('');
  if (!token) { pendingUpload = [data, name]; return; } // sent as soon as the page has its token
  if (data.size > limits.megabytes * 1e6) {
    showError(`'${name}': expected at most ${limits.megabytes} MB, got ${Math.round(data.size / 1e6)}: shorten it, or scale it down`);
    return;
  }
  const request = new XMLHttpRequest();
  request.open('POST', `${basePath}visits/${token}/video?` + new URLSearchParams({name}));
  request.upload.onprogress = (event) => { progressBar.firstElementChild.style.width = `${100 * event.loaded / event.total}%`; };
  request.onload = () => {
    let response = {};
    try { response = JSON.parse(request.responseText); } catch (error) { /* a response that is not JSON has no message */ }
    if (request.status === 200) window.dispatchEvent(new Event('rvos-video'));
    else showError(response.error || 'the video was not accepted: try again');
  };
  request.onerror = () => showError('the server does not answer: reload the page');
  request.onloadend = () => { progressBar.hidden = true; dropArea.inert = false; };
  progressBar.firstElementChild.style.width = '0';
  progressBar.hidden = false; dropArea.inert = true;
  request.send(data);
}

fileInput.onchange = () => {
  if (fileInput.files.length) upload(fileInput.files[0], fileInput.files[0].name);
  fileInput.value = '';
};
['dragenter', 'dragover'].forEach((type) => dropArea.addEventListener(type, (event) => { event.preventDefault(); dropArea.classList.add('over'); }));
['dragleave', 'drop'].forEach((type) => dropArea.addEventListener(type, () => dropArea.classList.remove('over')));
dropArea.addEventListener('drop', (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) upload(file, file.name);
});

function closeCamera() {
  if (recorder) { recorder.ondataavailable = recorder.onstop = null; recorder.stop(); }
  if (camera) camera.getTracks().forEach((track) => track.stop());
  clearInterval(recordTimer);
  camera = recorder = preview.srcObject = null;
  recorderPanel.hidden = true;
  updateRecordButton();
}

function updateRecordButton() {
  recordButton.textContent = recorder ? 'Stop recording' : 'Record';
  recordButton.setAttribute('aria-pressed', String(Boolean(recorder)));
  recordedTime.textContent = '';
}

query('.camera').onclick = async () => {
  showError('');
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    showError('the camera works only on localhost and over https: open the page there, or upload a video');
    return;
  }
  try {
    camera = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1280}, height: {ideal: 720}}, audio: false});
  } catch (error) {
    showError(`the camera cannot be used (${error.message}): allow it in the browser, or upload a video`);
    return;
  }
  preview.srcObject = camera;
  recorderPanel.hidden = false;
  updateRecordButton();
};
query('.close').onclick = closeCamera;
recordButton.onclick = () => {
  if (recorder) { recorder.stop(); return; }
  const parts = [], start = performance.now();
  recorder = new MediaRecorder(camera);
  const suffix = recorder.mimeType.includes('mp4') ? 'mp4' : 'webm';
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => { recorder = null; closeCamera(); upload(new Blob(parts), `camera.${suffix}`); };
  updateRecordButton();
  recordTimer = setInterval(() => {
    const seconds = (performance.now() - start) / 1000;
    recordedTime.textContent = `${seconds.toFixed(0)} of ${limits.seconds} s`;
    if (recorder && seconds > limits.seconds - 1) recorder.stop();
  }, 250);
  recorder.start();
};

function setVisit(value) {
  if (!value) return;
  ({token, ...limits} = value);
  if (pendingUpload) upload(...pendingUpload);
  pendingUpload = null;
}
watch('value', () => setVisit(props.value));
setVisit(props.value);

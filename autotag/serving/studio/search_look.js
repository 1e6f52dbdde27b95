/* One hit, large: its objects can be chosen, and a box drawn, as one more example of what is looked for. */

const LEAST_PX = 8;
const drawn = new WeakMap();

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function placed(made, [left, top, width, height]) {
  Object.assign(made.style, { left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%` });
  return made;
}

function found(box, search) {
  const made = placed(element("button", box.matches ? "box matches" : "box"), box.percent);
  made.type = "button";
  made.setAttribute("aria-label", `More like ${box.label || "this object"}`);
  made.title = "More like this object";
  made.append(element("i", "", box.label));
  made.onclick = () => search({ region: box.region });
  return made;
}

/* Drawing by mouse, pen or finger. What is drawn waits for a click on its button, or for Enter. */
function drawing(frame, search) {
  let start = null;
  let mine = null;
  const share = (event) => {
    const area = frame.getBoundingClientRect();
    const clip = (value) => Math.min(Math.max(value, 0), 1);
    return [clip((event.clientX - area.left) / area.width), clip((event.clientY - area.top) / area.height)];
  };
  const span = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
  const forget = () => { mine?.remove(); mine = null; start = null; frame.classList.remove("drawing"); };
  const finish = (box) => {
    const go = element("button", "go", "More like this box ↵");
    go.type = "button";
    go.onclick = () => search({ box });
    go.onpointerdown = (event) => event.stopPropagation();
    go.onkeydown = (event) => {
      if (event.key === "Escape") { event.stopPropagation(); forget(); }
    };
    mine.append(go);
    go.focus({ preventScroll: true });
  };
  frame.onpointerdown = (event) => {
    if (event.button !== 0) return;
    forget();
    start = { at: share(event), x: event.clientX, y: event.clientY, id: event.pointerId };
  };
  frame.onpointermove = (event) => {
    if (!start || event.pointerId !== start.id) return;
    const far = Math.max(Math.abs(event.clientX - start.x), Math.abs(event.clientY - start.y));
    if (!mine && far < LEAST_PX) return;
    if (!mine) {
      frame.setPointerCapture(event.pointerId);
      frame.classList.add("drawing");
      mine = element("div", "mine");
      frame.append(mine);
    }
    const [x0, y0, x1, y1] = span(start.at, share(event));
    placed(mine, [100 * x0, 100 * y0, 100 * (x1 - x0), 100 * (y1 - y0)]);
  };
  frame.onpointerup = (event) => {
    if (!start || event.pointerId !== start.id) return;
    const box = span(start.at, share(event));
    start = null;
    frame.classList.remove("drawing");
    if (mine) finish(box);
  };
  frame.onpointercancel = forget;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const state = JSON.stringify(data);
  if (drawn.get(root) === state) return;
  drawn.set(root, state);
  const search = (what) => setTriggerValue("act", { id: data.id, ...what });
  const frame = element("div", "frame");
  frame.style.aspectRatio = `${data.width} / ${data.height}`;
  frame.style.width = `min(100%, calc(72vh * ${data.width / data.height}))`;
  const image = element("img");
  image.src = data.picture;
  image.alt = data.name;
  image.draggable = false;
  frame.append(image, ...data.boxes.map((box) => found(box, search)));
  drawing(frame, search);
  root.replaceChildren(frame);
}

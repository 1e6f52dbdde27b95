/* Hits and examples of the search page. All text of files goes in as text, never as HTML. */

const KEYS = { m: "more", x: "less", o: "review", Enter: "look" };
const drawn = new WeakMap();

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

/* A mark with "icon" is the name of one in the font that Streamlit brings. */
function button(kind, mark, told, run) {
  const made = element("button", kind, mark);
  made.type = "button";
  made.title = told;
  made.setAttribute("aria-label", told);
  made.onclick = (event) => { event.stopPropagation(); run(); };
  return made;
}

function picture(hit) {
  const place = element("div", "picture");
  if (!hit.picture) {
    place.append(element("div", "missing", hit.reason || "no picture"));
    return place;
  }
  const frame = element("div", "frame");
  frame.style.aspectRatio = `${hit.width} / ${hit.height}`;
  frame.style.width = `min(100%, ${(170 * hit.width) / hit.height}px)`;
  const image = element("img");
  image.src = hit.picture;
  image.alt = hit.name;
  image.decoding = "async";
  frame.append(image, ...hit.boxes.map(box));
  place.append(frame);
  return place;
}

function box(found) {
  const made = element("span", "box");
  const [left, top, width, height] = found.percent;
  Object.assign(made.style, { left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%` });
  if (found.label) made.append(element("i", "", found.label));
  return made;
}

function card(hit, ranks, act) {
  const made = element("article", `card${hit.uncut ? " uncut" : ""}${hit.weak ? " weak" : ""}${hit.low ? " low" : ""}`);
  made.tabIndex = 0;
  made.dataset.id = hit.id;
  made.setAttribute("aria-keyshortcuts", `m${ranks ? " x" : ""} Enter${hit.reviewable ? " o" : ""}`);
  made.setAttribute("aria-label", hit.score ? `${hit.name}, score ${hit.score}` : hit.name);
  const bar = element("div", "bar");
  bar.append(button("icon", "thumb_up", "More like this (m)", () => act("more", hit.id)));
  if (ranks) bar.append(button("icon", "thumb_down", "Less like this (x)", () => act("less", hit.id)));
  bar.append(button("icon", "zoom_in", "Look closer, draw a box (Enter)", () => act("look", hit.id)));
  if (hit.reviewable) bar.append(button("wide", "Review", "Review this image in its folder (o)", () => act("review", hit.id)));
  for (const each of bar.children) each.tabIndex = -1;
  Object.assign(made.dataset, { more: "yes", look: "yes", less: ranks ? "yes" : "", review: hit.reviewable ? "yes" : "" });
  const line = element("div", "line");
  if (hit.score) line.append(element("b", "score", hit.score));
  line.append(element("span", "name", hit.name));
  line.title = hit.title;
  const tags = element("div", "tags");
  tags.append(...hit.tags.map((tag) => element("span", "tag", tag)));
  made.append(picture(hit), line, element("div", "place", hit.place), tags, bar);
  made.onclick = () => act("look", hit.id);
  return made;
}

function example(each, act) {
  const made = element("span", `example ${each.kind}`);
  if (each.picture) {
    const image = element("img");
    image.src = each.picture;
    image.alt = "";
    made.append(image);
  }
  made.append(element("span", "told", each.told));
  made.append(button("icon", "close", `Leave out: ${each.told}`, () => act("drop", each.id)));
  made.title = each.title;
  return made;
}

function neighbour(cards, place, key) {
  const here = cards[place].getBoundingClientRect();
  const step = key === "ArrowDown" || key === "ArrowRight" ? 1 : -1;
  if (key === "ArrowLeft" || key === "ArrowRight") return cards[place + step];
  for (let other = place + step; cards[other]; other += step) {
    const there = cards[other].getBoundingClientRect();
    if (there.top !== here.top && Math.abs(there.left - here.left) < 4) return cards[other];
  }
  return undefined;
}

function pressed(event, root, act) {
  const cards = [...root.querySelectorAll(".card")];
  const place = cards.indexOf(event.target.closest(".card"));
  if (place < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const verb = KEYS[event.key];
  const next = event.key.startsWith("Arrow") ? neighbour(cards, place, event.key) : undefined;
  if (!verb && !next) return;
  if (verb && event.target.tagName === "BUTTON" && event.key === "Enter") return;
  event.preventDefault();
  event.stopPropagation();
  if (next) next.focus();
  else if (cards[place].dataset[verb]) act(verb, cards[place].dataset.id);
}

/* As on many pages, "/" goes to the field. */
function slash(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, [contenteditable]")) return;
  const field = document.querySelector(".st-key-q input");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const act = (verb, id) => setTriggerValue("act", { verb, id });
  root.onkeydown = (event) => pressed(event, root, act);
  document.addEventListener("keydown", slash);
  const leave = () => document.removeEventListener("keydown", slash);
  const state = JSON.stringify(data);
  if (drawn.get(root) === state) return leave;
  drawn.set(root, state);
  const focused = parentElement.activeElement?.closest(".card")?.dataset.id;
  const examples = element("div", "examples");
  examples.append(...data.examples.map((each) => example(each, act)));
  const grid = element("div", "grid");
  grid.append(...data.hits.map((hit) => card(hit, data.ranks, act)));
  root.replaceChildren(...(data.examples.length ? [examples] : []), ...(data.hits.length ? [grid] : []));
  if (focused) (root.querySelector(`[data-id="${CSS.escape(focused)}"]`) ?? root.querySelector(".card"))?.focus();
  return leave;
}

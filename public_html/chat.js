// The chat page: token, login, one question at a time, its answer while it is written, or what went wrong in words. How Markdown
// becomes nodes is in markdown.js, how a reply becomes events in stream.js, what the books state beside it in facts.js. What the
// server says is never put into innerHTML.
import { boxed, factsBox, markClaims, markFacts, unsaid, verdict } from './facts.js';
import { make, render, settled, update } from './markdown.js';
import { events } from './stream.js';

const PATIENCE_MS = 60_000; // of silence
const LINGER_MS = 5_000; // for the end of a connection that has said all
const ALL_AT_ONCE_MS = 150; // an answer for which no model is asked is complete by then, and drawn once
const STOP_AFTER_MS = 600; // until then a second click belongs to the first
const STREAMS = 'body' in Response.prototype && 'TextDecoder' in window;
const HISTORY = { entries: 10, characters: 8000, perAnswer: 3000 }; // the first two are the server's bounds
const AUTH_API = (document.querySelector('meta[name="auth-api"]')?.content || '').trim().replace(/\/+$/, '');
const TOKEN_KEY = 'dndchat.token';
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/; // of a host's name as browsers write it
const BROKEN_OFF = 'The connection broke off before the answer was complete. Try again.';
const $ = (id) => document.getElementById(id);

let token = '';
let turns = []; // of the conversation, as the server wants them in `history`
let asked = 0;
let waiting = null; // the AbortController of the question under way
let stopTimer = 0;
let health = null; // what the server says of itself, once it was asked

function keepToken(value) {
  token = /^[\x21-\x7e]+$/.test(value || '') ? value : ''; // anything else cannot be sent in a header
  try {
    if (token) sessionStorage.setItem(TOKEN_KEY, token);
    else sessionStorage.removeItem(TOKEN_KEY);
  } catch { /* storage forbidden: the token lives as long as the page */ }
}

/**
 * Take the token out of the address, where it would be seen, kept in the history and sent around in links. It counts only where
 * the development server's links lead, on this machine; anywhere else it is somebody's who wants to be asked in his name.
 */
function tokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given === null) return;
  history.replaceState(null, '', location.pathname + location.search);
  if (!LOOPBACK.test(location.hostname)) {
    show('The address you came by would have logged you in as somebody else; it was not used.');
  } else if (token !== given && (!token || confirm('Log out here, and log in by the address you came by?'))) {
    restart();
    keepToken(given);
    show();
  }
}

function show(problem = '') {
  $('chat').hidden = $('actions').hidden = !token;
  $('login').hidden = Boolean(token);
  $('login-form').hidden = !AUTH_API;
  $('no-login').hidden = Boolean(AUTH_API);
  $('login-problem').textContent = problem;
  if (token) readyToType();
  else $('login-title').focus();
}

/** Focus for whoever has a keyboard; on a phone it would open one over the page. */
function readyToType() {
  if (!matchMedia('(pointer: coarse)').matches) $('question').focus();
}

async function logIn(event) {
  event.preventDefault();
  if (waiting) return;
  $('login-problem').textContent = '';
  const { reply, body, failure } = await post(`${AUTH_API}/auth/login`,
    { username: $('username').value, password: $('password').value }, {}, 'The login service');
  if (failure) return show(failure);
  const refused = reply.ok || [400, 401, 403, 422].includes(reply.status);
  if (!refused) return show(`The login service failed (${reply.status}). Try again later.`);
  if (!reply.ok || !body.success || !body.data?.access_token) return show('User name or password is not right.');
  $('password').value = '';
  keepToken(body.data.access_token);
  show();
}

/**
 * POST `document` as JSON: `{reply, body}`, with an empty body when it is not a JSON object, or `{failure}` in words. A reply
 * that is a stream goes to `hear(name, data)`, event by event, until that says that it has heard all: what the connection does
 * afterwards changes nothing. Its body is empty, and what breaks it off before is a failure.
 */
async function post(url, document, headers, who, hear) {
  const abort = waiting = new AbortController();
  let begun = false;
  let late = false;
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { late = true; abort.abort(); }, PATIENCE_MS);
  };
  wait();
  try {
    const options = { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, signal: abort.signal };
    const reply = await fetch(url, { ...options, body: JSON.stringify(document) });
    if (hear && reply.body && /^text\/event-stream\b/.test(reply.headers.get('Content-Type'))) {
      begun = true;
      const stream = events(reply.body);
      for (let next; !(next = await stream.next()).done;) {
        wait();
        if (!hear(...next.value)) continue;
        readToEnd(stream, abort);
        return { reply, body: {} };
      }
      return { failure: BROKEN_OFF };
    }
    const text = await reply.text();
    let body = null;
    try { body = JSON.parse(text); } catch { /* a page of the web server's, or of a hotel's network */ }
    return { reply, body: body && typeof body === 'object' ? body : {} };
  } catch {
    if (abort.stopped) return { failure: 'You stopped this answer.', stopped: true };
    if (begun) return { failure: BROKEN_OFF };
    if (late) return { failure: `${who} did not answer within ${PATIENCE_MS / 1000} seconds. Try again.` };
    return { failure: `${who} cannot be reached. ${navigator.onLine ? 'Try again shortly.' : 'You seem to be offline.'}` };
  } finally {
    clearTimeout(timer);
    if (waiting === abort) waiting = null;
  }
}

/** Let the server finish what it does after its last word, and the connection be used again; whatever becomes of it. */
async function readToEnd(stream, abort) {
  const timer = setTimeout(() => abort.abort(), LINGER_MS);
  try {
    while (!(await stream.next()).done);
  } catch { /* all was said */ }
  clearTimeout(timer);
}

function busy(is, words = '') {
  $('status').textContent = words;
  $('ask').classList.toggle('busy', is);
  // Not `disabled`, which would take the focus away from whoever pressed it.
  $('send').setAttribute('aria-disabled', String(is));
  clearTimeout(stopTimer);
  if (is) stopTimer = setTimeout(showStop, STOP_AFTER_MS, true);
  else showStop(false);
}

/** The button to stop in the place of the one to ask, or back; whoever had the focus on the one has it on the other. */
function showStop(is) {
  const [from, to] = is ? [$('send'), $('stop')] : [$('stop'), $('send')];
  const focused = document.activeElement === from;
  to.hidden = false;
  if (focused) to.focus();
  from.hidden = true;
}

/** Asks it in a new turn; with `exact` false the model in any case, and with the `history` it was asked with before. */
async function ask(question, { exact = true, history = recent() } = {}) {
  if (waiting) {
    $('status').textContent = 'Still looking up the last one…';
    return;
  }
  asked += 1;
  const turn = make('article', {}, make('h3', {}, make('span', { className: 'unseen' }, 'You asked: '), question));
  $('intro').hidden = true;
  $('log').append(turn);
  turn.scrollIntoView(); // and nothing scrolls later: there is room below it for the answer
  $('question').value = '';
  if (matchMedia('(pointer: coarse)').matches) $('question').blur(); // puts the phone's keyboard away
  busy(true, 'Looking it up…');
  const heard = { text: '', sources: [], facts: [] };
  const draft = draftIn(turn, heard);
  const asking = { question, history, stream: STREAMS, ...(exact ? {} : { exact }) };
  const { reply, body, failure, stopped } = await post('api/query', asking,
    { Accept: STREAMS ? 'text/event-stream, application/json' : 'application/json', Authorization: `Bearer ${token}` },
    'The server', (name, data) => {
      if (!turn.isConnected) return true; // started over meanwhile
      if (name === 'delta') heard.text += asText(data.text);
      else if (name === 'sources') heard.sources = asRecords(data.sources);
      else if (name === 'facts') {
        heard.facts = asRecords(data.facts);
        draft.hold();
      } else if (name === 'done' || name === 'error') heard[name] = data;
      if (name === 'delta' && $('status').textContent === 'Looking it up…') $('status').textContent = 'Writing…';
      draft.show();
      return Boolean(heard.done || heard.error);
    });
  if (!turn.isConnected) return;
  busy(false);
  const whole = heard.done ? { ...heard.done, answer: heard.text } : reply?.ok && body;
  if (typeof whole?.answer === 'string') {
    // Where no model was asked the words themselves begin with the facts.
    const byModel = !/^(facts|passages)$/.test(asText(whole.meta?.answered_by));
    draft.finish(answer(whole), byModel ? asRecords(whole.facts) : [], asRecords(whole.sources));
    remember(question, whole.answer);
    if (whole.meta?.answered_by === 'facts') offerModel(turn, () => ask(question, { exact: false, history }));
    return;
  }
  const error = heard.error || body || {};
  const words = failure || (heard.error ? 'The answer broke off. ' : '') + inWords(reply, error);
  // What came until then stays.
  const partly = heard.text ? answer({ answer: heard.text, sources: heard.sources, facts: heard.facts }) : [];
  const passages = asRecords(error.passages);
  const stated = heard.facts.length ? [heard.facts, heard.sources] : [asRecords(error.facts), passages];
  draft.finish([...partly, make('p', { className: 'problem' }, words)], ...stated);
  if (stopped && heard.text) remember(question, heard.text);
  else $('question').value ||= question; // so that Enter asks again
  turn.append(...sources('The passages on it, to read yourself', passages, asRecords(error.facts), true));
  if (reply?.status === 401 || /^(missing|invalid)_token$/.test(asText(error.error))) {
    keepToken('');
    show(words);
  } else if (typeof error.counted !== 'boolean' && !(reply?.status >= 400 && reply.status < 500)) {
    sayWhatIsLeft(turn);
  }
}

/** Below a question of which nobody has said whether it counted: what the server says is left, if it can be asked. */
async function sayWhatIsLeft(turn) {
  try {
    const reply = await fetch('api/me', { headers: { Authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(LINGER_MS) });
    const left = reply.ok && (await reply.json()).rate_limit.daily_remaining;
    if (Number.isInteger(left) && turn.isConnected) turn.append(make('p', { className: 'hint' }, questionsLeft(left)));
  } catch { /* then nobody says it */ }
}

/** Below an answer that no model wrote the way to one, where the server has any. */
async function offerModel(turn, askModel) {
  try {
    health ||= fetch('api/health').then((reply) => reply.json());
    if ((await health).components.mode === 'embedded') return;
  } catch { health = null; } // nobody knows; the answer will tell
  const button = make('button', { type: 'button' }, 'Ask the model as well');
  button.addEventListener('click', askModel);
  turn.append(make('p', {}, button, make('span', { className: 'hint' }, ' This counts as one more question.')));
}

const questionsLeft = (left) => `${left} ${left === 1 ? 'question' : 'questions'} left today`;

// What a reply should hold, of whatever it does hold: it may come from anybody in between.
const asText = (value) => (typeof value === 'string' ? value : '');
const asRecords = (value) => (Array.isArray(value) ? value.filter((one) => one && typeof one === 'object') : []);

/**
 * Shows the words of `heard` at the end of `turn` while they come, drawn no more often than the screen is. A screen reader is
 * told nothing of them; it is told of the finished answer, which takes their place.
 */
function draftIn(turn, heard) {
  const text = make('div', { className: 'answer' });
  text.setAttribute('aria-live', 'off');
  text.setAttribute('aria-busy', 'true');
  let box = null; // of the facts
  let planned = 0;
  let notBefore = 0;
  const draw = (now) => {
    planned = 0;
    if (now < notBefore) return plan();
    const started = performance.now();
    if (!text.isConnected) turn.append(text);
    if (!box && heard.facts.length) text.before(box = factsBox(heard.facts, citations(heard.sources), heard.sources));
    update(text, render(settled(heard.text), { cite: citations(heard.sources) }));
    notBefore = now + 4 * (performance.now() - started); // a very long answer leaves time for scrolling
  };
  const plan = () => { planned ||= requestAnimationFrame(draw); };
  return {
    show: plan,
    hold: () => { notBefore = performance.now() + ALL_AT_ONCE_MS; },
    /** `nodes` in its place, with `facts` above them, which stand in `found`. */
    finish: (nodes, facts, found) => {
      cancelAnimationFrame(planned);
      if (!facts.length) box?.remove();
      else if (!box) turn.append(factsBox(facts, citations(found), found));
      const focused = text.contains(document.activeElement) && document.activeElement.getAttribute('href');
      text.remove();
      turn.append(...nodes);
      if (focused) turn.querySelector(`.answer [href="${focused}"]`)?.focus({ preventScroll: true });
    },
  };
}

/** An error of the contract, as a person wants it: what happened, what it cost, when it may work again. */
function inWords(reply, body) {
  const { status } = reply;
  const words = [asText(body.message) || `The server gave no answer we understand (status ${status}).`];
  const wait = body.rate_info?.retry_after;
  const seconds = Number(reply.headers.get('Retry-After') || (typeof wait === 'number' ? wait : 0));
  if (seconds > 0 && seconds < 1e6) words.push(`You can ask again ${fromNow(seconds)}.`);
  else if (body.error === 'budget_exceeded') words.push('The budget is for one day and starts anew at midnight UTC.');
  if (body.counted === false) words.push('This question did not count.');
  else if (body.counted === true) words.push('This question counted.');
  if ((status >= 500 || reply.ok) && asText(body.request_id)) words.push(`(Reference: ${body.request_id})`);
  return words.join(' ');
}

function fromNow(seconds) {
  if (seconds < 100) return `in ${Math.ceil(seconds)} ${seconds > 1 ? 'seconds' : 'second'}`;
  const clock = new Date(Date.now() + seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  const span = seconds < 6000 ? `${Math.ceil(seconds / 60)} minutes` : `about ${Math.round(seconds / 3600)} hours`;
  return `in ${span}, at ${clock}`;
}

function remember(question, text) {
  // What the server refuses as no text would otherwise make every later question fail.
  const content = [...text.replace(/[\0\ud800-\udfff]/gu, '')].slice(0, HISTORY.perAnswer).join('');
  turns.push({ role: 'user', content: question }, { role: 'assistant', content });
}

/** The newest questions with their answers that fit the server's bounds. */
function recent() {
  let first = turns.length;
  let left = HISTORY.characters;
  while (first > 0 && turns.length - first < HISTORY.entries) {
    left -= turns[first - 2].content.length + turns[first - 1].content.length;
    if (left < 0) break;
    first -= 2;
  }
  return turns.slice(first);
}

/** What makes a citation of number n a link to that source; `asked` is the number of the question. */
function citations(all, named = new Set()) {
  return (n) => {
    const source = all.find((one) => one.n === n);
    if (!source) return `[${n}]`;
    named.add(n);
    const link = make('a', { className: 'cite', href: `#source-${asked}-${n}` }, `[${n}]`);
    link.setAttribute('aria-label', `[${n}], source: ${asText(source.name)}`);
    // The address then moves there, so that Back returns to the sentence. While the answer is written there is none yet.
    link.addEventListener('click', () => { ($(link.hash.slice(1))?.parentElement || {}).open = true; });
    return link;
  };
}

function answer(body) {
  const all = asRecords(body.sources);
  const named = new Set();
  const written = make('div', { className: 'answer' });
  const cite = citations(all, named);
  written.append(render(body.answer, { cite }));
  const cited = (one) => one.cited ?? named.has(one.n); // of an answer that broke off nobody has said which are
  const others = all.filter((one) => !cited(one));
  const byFacts = body.meta?.answered_by === 'facts';
  const grounding = body.meta?.grounding || {};
  const claims = asRecords(grounding.claims);
  markClaims(written, claims, cite);
  const errors = unsaid((Array.isArray(body.errors) ? body.errors : []).map(asText).filter(Boolean), claims);
  const facts = asRecords(body.facts);
  const left = body.meta?.rate_limit?.daily_remaining;
  const model = asText(body.meta?.model);
  const by = byFacts ? 'From the books’ own figures; no model was asked' : model && `Written by ${model}`;
  const about = [by, Number.isInteger(left) && questionsLeft(left)];
  return [
    byFacts ? boxed('The books state', written) : written,
    ...verdict(grounding, claims, cite),
    ...errors.map((error) => make('p', { className: 'problem' }, error)),
    ...sources('Sources', all.filter(cited), facts),
    make('details', { hidden: !others.length }, make('summary', {}, `Not cited: ${others.length}`), ...sources('', others, facts)),
    make('p', { className: 'hint' }, about.filter(Boolean).join(' · ')),
  ];
}

function sources(title, list, facts, open = false) {
  const items = list.map((one, index) => {
    const n = Number.isInteger(one.n) ? one.n : index + 1;
    const name = make('strong', {}, asText(one.name) || asText(one.id));
    const summary = make('summary', { id: `source-${asked}-${n}` }, `[${n}] `, name, ` ${asText(one.book)}`);
    const where = make('p', { className: 'hint' }, asText(one.hierarchy));
    const details = make('details', { open }, summary, where);
    const text = make('div', {}, render(asText(one.text) || asText(one.excerpt), { breaks: true }));
    details.append(text);
    markFacts(details, text, facts.filter((fact) => fact.n === n));
    return make('li', {}, details);
  });
  if (!items.length) return [];
  const shown = make('ul', { className: 'sources' }, ...items);
  shown.setAttribute('role', 'list');
  return title ? [make('h4', {}, title), shown] : [shown];
}

function send() {
  const question = $('question').value.trim();
  if (question || waiting) ask(question);
}

function restart() {
  waiting?.abort();
  waiting = null;
  turns = [];
  $('log').replaceChildren();
  $('intro').hidden = false;
  busy(false);
}

$('ask').addEventListener('submit', (event) => { event.preventDefault(); send(); });
$('question').addEventListener('keydown', (event) => {
  // While an input method composes a word, Enter belongs to it.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  send();
});
for (const button of document.querySelectorAll('.example')) {
  button.addEventListener('click', () => { ask(button.textContent); readyToType(); });
}
$('stop').addEventListener('click', () => {
  if (!waiting) return;
  waiting.stopped = true;
  waiting.abort();
});
// Nobody reads on. A page that is kept for the way back would otherwise find half an answer, and wait for the rest.
addEventListener('pagehide', () => waiting?.abort());
$('restart').addEventListener('click', () => {
  restart();
  $('status').textContent = 'Started over.';
  readyToType();
});
$('logout').addEventListener('click', () => { restart(); keepToken(''); show(); });
$('login-form').addEventListener('submit', logIn);
addEventListener('hashchange', tokenFromAddress); // a new address opened in this tab

try { token = sessionStorage.getItem(TOKEN_KEY) || ''; } catch { /* as above */ }
show();
tokenFromAddress();

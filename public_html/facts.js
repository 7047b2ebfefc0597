// What the books state, beside what is written: facts above the words, the cell of each in its source, and in the words what
// the books contradict. All of it is made of the texts of a reply, which only ever become text nodes.
import { make } from './markdown.js';

const NEAR = 12; // words between a label and its value in a line of prose
const LONGEST_NOTE = 200; // characters of it in the middle of an answer; the whole stands below
const PARTS = 'p, li, td, th, dt, dd, h4, pre, blockquote';
const WORD = /[\p{L}\p{N}]+/gu;

const asText = (value) => (typeof value === 'string' ? value : '');
const plain = (text) => asText(text).replace(/[\s*_`\\]+/g, ' ').trim().toLowerCase();
/** "Level 9": a label that is a figure says nothing without what it counts. */
const rowOf = ({ row, heading }) => (/^\W*\d/.test(asText(row)) ? [asText(heading), row].join(' ').trim() : asText(row));
const placeOf = (fact) => [rowOf(fact), asText(fact.attribute)].filter(Boolean).join(' · ');

/** The `facts` of a reply in a box; `cite(n)` gives a citation, `sources` those of the reply. */
export function factsBox(facts, cite, sources) {
  const items = facts.map((fact) => {
    const source = sources.find((one) => one.n === fact.n) || {};
    const where = [asText(source.name), asText(source.book)].filter((part) => part && part !== fact.subject).join(', ');
    return make('li', {}, `${[asText(fact.subject), placeOf(fact)].filter(Boolean).join(' · ')}: `,
      make('strong', {}, asText(fact.value)), ' ', cite(fact.n), ' ', make('span', { className: 'hint' }, where));
  });
  return boxed('The books state', make('ul', {}, ...items));
}

export function boxed(title, ...nodes) {
  return make('section', { className: 'facts' }, make('h4', {}, title), ...nodes);
}

/** Marks in `text`, a passage that `details` shows, what it states of `facts`; what is not found there stands above it. */
export function markFacts(details, text, facts) {
  const found = facts.map((fact) => [fact, inTable(text, fact) || inList(text, fact) || inLine(text, fact)]);
  for (const [fact, mark] of found) {
    mark?.append(unseen(' (stated here)'));
    text.before(make('p', { className: 'hint' }, `${mark ? 'Marked' : 'It states'}: ${placeOf(fact)}`));
    if (!mark) text.before(alone(fact));
  }
  details.addEventListener('toggle', () => {
    const mark = details.querySelector('.scroll mark');
    if (!details.open || !mark) return;
    const box = mark.closest('.scroll');
    const [inner, outer] = [mark.getBoundingClientRect(), box.getBoundingClientRect()];
    box.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
  });
}

const unseen = (text) => make('span', { className: 'unseen' }, text);

function marked(element) {
  const mark = make('mark', {}, ...element.childNodes);
  element.append(mark);
  return mark;
}

/** The cell under the fact's column in a row that has its label, wherever that stands. */
function inTable(text, fact) {
  const [row, value, column] = [fact.row, fact.value, fact.column].map(plain);
  if (!row || !value) return null;
  for (const table of text.querySelectorAll('table')) {
    const heads = [...table.tHead.rows[0].cells];
    const names = heads.map((cell) => plain(cell.textContent));
    const under = (n) => names[n] && (names[n] === column || column.endsWith(`: ${names[n]}`));
    for (const line of table.tBodies[0].rows) {
      const cells = [...line.cells].map((cell) => plain(cell.textContent));
      const label = cells.indexOf(row);
      const at = cells.findIndex((cell, n) => cell === value && n !== label && under(n));
      if (label < 0 || at < 0) continue;
      for (const cell of [line.cells[label], heads[at]]) cell.classList.add('label');
      line.cells[at].classList.add('stated');
      return marked(line.cells[at]);
    }
  }
  return null;
}

/** The value beside its label in a list of terms. */
function inList(text, fact) {
  const [name, value] = [fact.attribute, fact.value].map(plain);
  const term = value && [...text.querySelectorAll('dt')].find(({ textContent: label, nextElementSibling: stated }) =>
    (plain(label) === name || plain(label).endsWith(`: ${name}`)) && plain(stated.textContent).includes(value));
  if (term) term.parentElement.classList.add('stated');
  return term ? marked(term.nextElementSibling) : null;
}

/** The label and the value in one line. */
function inLine(text, fact) {
  const [label, value] = [fact.attribute, fact.value].map(wordsOf);
  if (fact.row || !label.length || !value.length) return null;
  const all = words(text);
  for (let at = -1; (at = find(all, label, at + 1)) >= 0;) {
    const found = find(all, value, at + label.length, at + label.length + NEAR);
    const last = found + value.length - 1;
    if (found >= 0 && all[last].line === all[at].line) return wrap(all, at, last).pop();
  }
  return null;
}

/** A fact where its passage is not written as a table or list that this page can show. */
function alone(fact) {
  const value = make('mark', {}, asText(fact.value));
  if (!fact.row) {
    return make('dl', {}, make('div', { className: 'stated' }, make('dt', {}, asText(fact.attribute)), make('dd', {}, value)));
  }
  const head = [fact.heading, fact.column].map((name) => make('th', { scope: 'col' }, asText(name)));
  const cells = [make('td', {}, asText(fact.row)), make('td', { className: 'stated' }, value)];
  const table = make('table', {}, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, make('tr', {}, ...cells)));
  return make('div', { className: 'scroll' }, table);
}

/** Marks in the answer `written` what the books contradict, with what they say behind it. */
export function markClaims(written, claims, cite) {
  const all = words(written);
  let from = 0;
  const places = [];
  for (const claim of claims) {
    const wanted = wordsOf(asText(claim.text).replace(/\[[\d\s,;–-]+\]/g, ' '));
    let at = find(all, wanted, from);
    if (at < 0) at = find(all, wanted, 0);
    if (at < 0) continue;
    from = at + 1; // the same words once more are another claim
    const last = at + wanted.length - 1;
    const free = places.every((other) => other.at > last || other.last < at);
    if (claim.status === 'contradicted' && free) places.push({ at, last, claim });
  }
  // From the end, so that what is before stays where it was found.
  for (const { at, last, claim } of places.sort((a, b) => b.at - a.at)) {
    const marks = wrap(all, at, last);
    marks[0].prepend(unseen('Contradicted by the books: '));
    marks[marks.length - 1].after(make('span', { className: 'note' }, ...says(claim, cite, LONGEST_NOTE)));
  }
}

function says({ books_say: said, n }, cite, longest = Infinity) {
  const text = asText(said);
  const shown = text.length > longest ? `${text.slice(0, longest).replace(/\s+\S*$/, '')}…` : text;
  return [` (the books say: ${shown}`, ...(Number.isInteger(n) ? [' ', cite(n)] : []), ')'];
}

const isWrong = (claim) => claim.status === 'contradicted';

/** Of `errors` those that no claim says as well. */
export function unsaid(errors, claims) {
  const wrong = claims.filter((claim) => isWrong(claim) && asText(claim.text) && asText(claim.books_say));
  return errors.filter((error) => !wrong.some((claim) => error.includes(claim.text) && error.includes(claim.books_say)));
}

const counted = (n, things) => `${n} ${things}${n === 1 ? '' : 's'}`;

/** What came of holding the answer against the books, in words; `claims` are those of `grounding`. */
export function verdict(grounding, claims, cite) {
  if (!['supported', 'unchecked', 'contradicted'].includes(grounding.verdict)) return [];
  const wrong = claims.filter(isWrong);
  const open = claims.filter((claim) => claim.status === 'unchecked');
  const quoted = (claim, ...more) => make('li', {}, `“${asText(claim.text)}”`, ...more);
  const parts = [];
  if (grounding.verdict === 'contradicted') {
    parts.push(make('p', {}, make('strong', {}, 'The books contradict this answer:')),
      make('ul', {}, ...wrong.map((claim) => quoted(claim, ...says(claim, cite)))));
  } else if (grounding.verdict === 'supported') {
    parts.push(make('p', {}, `Checked against the books: they say the same (${counted(claims.length, 'statement')}).`));
  } else if (!open.length) {
    parts.push(make('p', {}, 'Nothing in this answer could be checked against the books.'));
  }
  if (open.length) {
    const summary = `Could not be checked against the books: ${open.length} of ${counted(claims.length, 'statement')}`;
    parts.push(make('details', {}, make('summary', {}, summary), make('ul', {}, ...open.map((claim) => quoted(claim)))));
  }
  const { uncited } = grounding;
  if (uncited > 0) parts.push(make('p', {}, `Without a source: ${counted(uncited, 'statement')} with a figure.`));
  return [make('section', { className: grounding.verdict === 'contradicted' ? 'problem' : 'hint' }, ...parts)];
}

const wordsOf = (text) => asText(text).toLowerCase().match(WORD) || [];

/**
 * The words shown in `root`, in order, citations aside: of each where it begins and ends in the text of all `pieces` together,
 * and in which line.
 */
function words(root) {
  const pieces = [];
  let text = '';
  let part = null;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT,
    (node) => (node.className === 'cite' ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
  for (let node; (node = walker.nextNode());) {
    const own = node.parentElement.closest(PARTS);
    if (node.nodeName === 'BR' || own !== part) text += '\n';
    part = own;
    if (node.nodeType !== Node.TEXT_NODE) continue;
    pieces.push({ node, start: text.length });
    text += node.data;
  }
  let line = 0;
  let done = 0;
  const all = [...text.matchAll(WORD)].map(({ 0: word, index: start }) => {
    line += text.slice(done, start).split('\n').length - 1;
    done = start;
    return { word: word.toLowerCase(), start, end: start + word.length, line };
  });
  return Object.assign(all, { pieces, text });
}

/** Where in `all` the `wanted` words stand one after the other, beginning at one of these places; -1 where they do not. */
function find(all, wanted, from, to = all.length) {
  if (!wanted.length) return -1;
  for (let at = from; at < to && at + wanted.length <= all.length; at += 1) {
    if (wanted.every((word, n) => all[at + n].word === word)) return at;
  }
  return -1;
}

/** Marks the words from the first to the last, whatever elements they lie in, with the sign before them; the marks in order. */
function wrap(all, first, last) {
  const { pieces, text, [last]: { end: to } } = all;
  const from = all[first].start - (/(?:^|[\s(])[+−–-]$/.test(text.slice(0, all[first].start).slice(-2)) ? 1 : 0);
  return pieces.flatMap(({ node, start }) => {
    const [begin, end] = [Math.max(0, from - start), Math.min(node.length, to - start)];
    if (begin >= end || !node.data.slice(begin, end).trim()) return [];
    const inside = node.splitText(begin);
    inside.splitText(end - begin);
    const mark = make('mark');
    inside.replaceWith(mark);
    mark.append(inside);
    return [mark];
  });
}

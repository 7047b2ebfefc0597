// Markdown to DOM nodes. Every element is made here by name and text enters only as text nodes, so nothing that an answer or
// a passage holds can become markup: no HTML, no address, no attribute comes from the text. Not all of Markdown: what
// models and our passages write. No lookbehind in the expressions: older phones refuse the whole file for it. The time is linear
// in the text whatever it holds: what an expression looks ahead for is bounded, and what is cut off an end is counted off.

const MAX_COLUMNS = 60; // of a table; a wider one stays text
const MAX_PAIRS = 200; // of a JSON object
const MAX_LINKS = 500; // of citations: six signs ("[1-50]") can ask for fifty
const MAX_DEPTH = 6; // of quotes and lists in each other, and of bold and italics; what is deeper stays text
const FENCE = /^ {0,3}(```|~~~)/;
const QUOTE = /^ {0,3}> ?/;
const HEADING = /^ {0,3}#{1,6} +(.*)$/;
const RULE = /^ {0,3}([-*_])( *\1){2,} *$/;
const ITEM = /^( *)([-*+]|\d{1,3}[.)]) +(\S.*)$/;
const DIVIDER = /^\|?( *:?-+:? *\|)+( *:?-+:?)?$/; // of a trimmed line
const STATISTIC = /^([A-Z%][\w ./%,'&-]{0,30}): (.{1,100}?) *$/;
// An escaped sign, code, bold, italics, citations (but not the text of a link). Code and bold end within 1,000 characters.
const INLINE = new RegExp([
  /\\([!-/:-@[-`{-~])/, /(`{1,3})([^]{1,1000}?)\2(?!`)/, /(\*\*|__)(?=\S)([^]{0,1000}?\S)\4(?![*_])/,
  /([*_])(?![\s*_])([^*_]*[^\s*_])\6(?!\w)/, /\[(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\](?!\()/,
].map((part) => part.source).join('|'));

/** An element with these properties and children (nodes, or strings as text). */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** `cite(n)` gives the node for a citation, else they stay text; `breaks` keeps every line end, as plain text wants it. */
export function render(markdown, { cite = null, breaks = false } = {}) {
  const lines = markdown.replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n');
  return blocks(document.createDocumentFragment(), lines, { cite, breaks, links: MAX_LINKS }, 0);
}

/** As much of a text that is still being written as will look the same when more of it is there. */
export function settled(text) {
  const lines = text.split('\n');
  const last = () => lines[lines.length - 1] || '';
  if (lines.filter((line) => FENCE.test(line)).length % 2) return text; // code
  // A row of a table is shown when it is complete; its head when the line below it says that it is one.
  if (/\||^[\s:-]*$/.test(last())) {
    lines.pop();
    if (last().includes('|') && !(lines[lines.length - 2] || '').includes('|')) lines.pop();
    return lines.join('\n');
  }
  // What may become a heading, a quote or an item; half a citation, an opening sign without its words.
  const line = withoutHalfMark(lines.pop().replace(/^ *(?:#{1,6}|>|[-*+]|\d{1,3}[.)]?) *$/, '')).trimEnd();
  const open = (sign) => line.split(sign).length % 2 === 0;
  return [...lines, line + (open('`') ? '`' : '') + (open('**') ? '**' : '')].join('\n');
}

/** Where the run of these signs at the end of `text` begins. */
function endRun(text, signs) {
  let from = text.length;
  while (from && signs.includes(text[from - 1])) from--;
  return from;
}

function withoutHalfMark(line) {
  const numbers = endRun(line, '0123456789,;– -');
  if (line[numbers - 1] === '[') return line.slice(0, numbers - 1);
  return line.slice(0, line.endsWith('\\') ? -1 : endRun(line, '*_`'));
}

/** Without the signs that may close a heading. */
function headingText(text) {
  const all = text.trimEnd();
  const from = endRun(all, '#');
  return all[from - 1] === ' ' ? all.slice(0, from).trimEnd() : all;
}

function blocks(parent, lines, options, depth) {
  let paragraph = [];
  const put = (...nodes) => {
    const text = paragraph.map((line) => line.trim() + (options.breaks || /  $/.test(line) ? '\n' : ' ')).join('').trim();
    if (text) parent.append(inline(make('p'), text, options));
    paragraph = [];
    parent.append(...nodes);
  };
  for (let i = 0, match; i < lines.length;) {
    const line = lines[i];
    const at = (n) => lines[i + n] || '';
    const take = (belongs) => {
      const from = i++;
      while (i < lines.length && belongs(lines[i])) i++;
      return lines.slice(from, i);
    };
    if (!line.trim()) {
      put();
      i++;
    } else if ((match = FENCE.exec(line))) {
      const code = take((next) => !next.trim().startsWith(match[1])).slice(1).join('\n');
      put(listed(code) || make('pre', { tabIndex: 0 }, make('code', {}, code)));
      i++; // the closing fence
    } else if (QUOTE.test(line) && depth < MAX_DEPTH) {
      const quoted = take((next) => QUOTE.test(next)).map((next) => next.replace(QUOTE, ''));
      put(blocks(make('blockquote'), quoted, options, depth + 1));
    } else if (line.includes('|') && DIVIDER.test(at(1).trim()) && cells(line).length <= MAX_COLUMNS) {
      const name = paragraph.join(' ').replace(/\*\*|__/g, '').trim() || 'Table';
      put(table(take((next) => next.includes('|')), name, options));
    } else if ((match = HEADING.exec(line))) {
      put(inline(make('h4'), headingText(match[1]), options));
      i++;
    } else if (RULE.test(line)) {
      put(make('hr'));
      i++;
    } else if ((match = ITEM.exec(line)) && depth < MAX_DEPTH) {
      const [, { length: base }, marker] = match;
      const numbered = /\d/.test(marker);
      const inside = (next) => {
        const item = ITEM.exec(next);
        return item ? item[1].length > base || /\d/.test(item[2]) === numbered : /^ {2,}\S/.test(next);
      };
      const items = [];
      let indent = 0;
      for (const next of take((next) => inside(next) || (!next.trim() && inside(at(1))))) {
        const item = ITEM.exec(next);
        const first = item && item[1].length <= base;
        if (first) indent = next.length - item[3].length;
        if (first) items.push([item[3]]);
        else items[items.length - 1].push(next.slice(Math.min(indent, next.search(/\S|$/))));
      }
      const list = numbered ? make('ol', { start: parseInt(marker, 10) }) : make('ul');
      put(list);
      list.append(...items.map((item) => blocks(make('li'), item, options, depth + 1)));
    } else if ([0, 1, 2].every((n) => STATISTIC.test(at(n)))) {
      const facts = take((next) => STATISTIC.test(next)).map((next) => STATISTIC.exec(next));
      put(make('dl', {}, ...facts.map(([, label, value]) =>
        make('div', {}, make('dt', {}, label), inline(make('dd'), value, options)))));
    } else {
      paragraph.push(line);
      i++;
    }
  }
  put();
  return parent;
}

/** The labels and values of a JSON object as a list, which rows of tables are stored as; null of any other text, and of many. */
function listed(code) {
  const found = [];
  const walk = (value, path) => {
    if (value === null || typeof value !== 'object' || path.length > MAX_DEPTH) found.push([path, value]);
    else if (Array.isArray(value) && value.every((one) => typeof one !== 'object')) found.push([path, value.join(', ')]);
    // What a question must hold to find it is nothing to read.
    else Object.keys(value).filter((key) => key !== 'query_must').forEach((key) => walk(value[key], [...path, key]));
  };
  try {
    if (code.trim()[0] === '{') walk(JSON.parse(code), []);
  } catch { return null; }
  if (!found.length || found.length > MAX_PAIRS) return null;
  const last = (path) => path[path.length - 1];
  const clear = new Set(found.map(([path]) => last(path))).size === found.length;
  const text = (value) => (typeof value === 'object' ? JSON.stringify(value) : String(value));
  return make('dl', {}, ...found.map(([path, value]) =>
    make('div', {}, make('dt', {}, clear ? last(path) : path.join(': ')), make('dd', {}, text(value)))));
}

/** Give `element` the children of `fresh`, and leave alone those that are the same: somebody may be reading there. */
export function update(element, fresh) {
  const same = (old, node) => old && (old.isEqualNode(node)
    // Of a table's box the rest is where the reader has scrolled to.
    || (old.className === 'scroll' && node.className === 'scroll' && old.firstChild.isEqualNode(node.firstChild)));
  const nodes = [...fresh.childNodes];
  const first = nodes.findIndex((node, n) => !same(element.childNodes[n], node));
  const kept = first < 0 ? nodes.length : first;
  while (element.childNodes.length > kept) element.lastChild.remove();
  element.append(...nodes.slice(kept));
}

// A wide table scrolls inside its box, which the keyboard can reach while there is something to scroll.
const boxes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute('tabindex');
  }
});

function cells(line) {
  const inner = line.trim().replace(/^\||\|$/g, '').replace(/\\\|/g, '\0');
  return inner.split('|').map((cell) => cell.replace(/\0/g, '\\|').trim());
}

function table(lines, name, options) {
  const [head, , ...rows] = lines.map(cells);
  const row = (tag, texts) => {
    const made = texts.slice(0, head.length).map((text) => {
      const cell = inline(make(tag), text, options);
      const { length } = cell.textContent;
      if (length > 40) cell.className = 'prose';
      else if (length < 20 && !/\s/.test(cell.textContent)) cell.className = 'figure';
      if (tag === 'th') cell.scope = 'col';
      return cell;
    });
    if (made.length < head.length) made[made.length - 1].colSpan = head.length - made.length + 1;
    return make('tr', {}, ...made);
  };
  const body = make('tbody', {}, ...rows.map((texts) => row('td', texts)));
  const box = make('div', { className: 'scroll' }, make('table', {}, make('thead', {}, row('th', head)), body));
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', name);
  boxes.observe(box);
  return box;
}

/** The numbers in a citation such as `1, 3-5`, as the server counts them. */
function cited(numbers) {
  return numbers.split(/[,;]/).flatMap((part) => {
    const [first, last] = part.split(/[–-]/).map(Number);
    if (!(first < last && last <= first + 50)) return last ? [first, last] : [first];
    return Array.from({ length: last - first + 1 }, (_, n) => first + n);
  });
}

function inline(parent, text, options, depth = 0) {
  const plain = (part) => part.split('\n').forEach((line, n) => parent.append(...(n ? [make('br'), line] : [line])));
  const finder = new RegExp(INLINE, 'g');
  let done = 0;
  for (let match; (match = finder.exec(text));) {
    const [all, escaped, , code, , bold, sign, italic, numbers] = match;
    if (sign && /\w/.test(text[match.index - 1] || '')) { // 2*3*4, a_long_name
      finder.lastIndex = match.index + 1;
      continue;
    }
    plain(text.slice(done, match.index));
    done = match.index + all.length;
    if (escaped) parent.append(escaped);
    else if (code) parent.append(make('code', {}, code.replace(/\n/g, ' ').trim()));
    else if (depth === MAX_DEPTH && (bold || italic)) plain(all);
    else if (bold) parent.append(inline(make('strong'), bold, options, depth + 1));
    else if (italic) parent.append(inline(make('em'), italic, options, depth + 1));
    else if (!options.cite || options.links <= 0) plain(all);
    else {
      const nodes = cited(numbers).map((n) => options.cite(n));
      options.links -= nodes.length;
      parent.append(...nodes);
    }
  }
  plain(text.slice(done));
  return parent;
}

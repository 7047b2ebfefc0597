// Server-sent events out of a fetched reply. EventSource cannot be used: it sends neither a question nor a token.

const MAX_EVENT = 2_000_000; // characters: none of ours is near it

/** Yields `[name, data]` of each event as soon as it is complete, however the network cuts it; `data` is a JSON object. */
export async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = ''; // what is left at the end is half an event: none
  try {
    for (let over = false; !over;) {
      const { done, value } = await reader.read();
      over = done;
      const end = /\r\n\r\n|\n\n|\r\r/g;
      end.lastIndex = Math.max(0, rest.length - 3); // before it was looked for already
      rest += over ? decoder.decode() : decoder.decode(value, { stream: true });
      let start = 0;
      for (let match; (match = end.exec(rest));) {
        const fields = rest.slice(start, match.index).split(/\r\n|\n|\r/).map((line) => /^([^:]*):? ?([^]*)$/.exec(line));
        start = end.lastIndex;
        const named = (name) => fields.filter((field) => field[1] === name).map((field) => field[2]);
        const lines = named('data');
        const data = lines.length ? JSON.parse(lines.join('\n')) : null;
        if (lines.length && (typeof data !== 'object' || !data)) throw new TypeError('an event without fields');
        if (data) yield [named('event').pop() || 'message', data];
      }
      rest = rest.slice(start);
      if (rest.length > MAX_EVENT) throw new RangeError('an event without end');
    }
  } finally {
    reader.cancel().catch(() => {}); // whoever stops listening hangs up
  }
}

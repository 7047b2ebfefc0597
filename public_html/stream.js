// Server-sent events out of a fetched reply. EventSource cannot be used: it sends neither a question nor a token.

/** Yields `[name, data]` of each event as soon as it is complete, however the network cuts it; `data` is JSON. */
export async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (let over = false; !over;) {
      const { done, value } = await reader.read();
      over = done;
      rest += over ? decoder.decode() : decoder.decode(value, { stream: true });
      const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/);
      rest = blocks.pop(); // what is left at the end is half an event: none
      for (const block of blocks) {
        const fields = block.split(/\r\n|\n|\r/).map((line) => /^([^:]*):? ?([^]*)$/.exec(line));
        const named = (name) => fields.filter((field) => field[1] === name).map((field) => field[2]);
        const data = named('data');
        if (data.length) yield [named('event').pop() || 'message', JSON.parse(data.join('\n'))];
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // whoever stops listening hangs up
  }
}

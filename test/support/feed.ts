/** One message of a feed, as a reader of server-sent events takes it apart. */
export type FeedMessage = {
  /** The event, parsed; undefined where the message moves the id alone. */
  readonly data: Readonly<Record<string, unknown>> | undefined;
  /** The last id so far. */
  readonly id: string;
  readonly comments: readonly string[];
  readonly retry: string | undefined;
};

function parse(block: string, lastId: string): FeedMessage {
  const lines = block.split("\n");
  const valuesOf = (field: string) =>
    lines
      .filter((line) => line.startsWith(`${field}: `))
      .map((line) => line.slice(field.length + 2));
  const [data] = valuesOf("data");
  return {
    data: data === undefined ? undefined : (JSON.parse(data) as Readonly<Record<string, unknown>>),
    id: valuesOf("id").at(-1) ?? lastId,
    comments: valuesOf(""),
    retry: valuesOf("retry").at(-1),
  };
}

/** The messages of a feed as they come; it ends with the stream. Breaking out cancels it. */
export async function* messagesOf(answer: Response): AsyncGenerator<FeedMessage, void> {
  if (answer.body === null) throw new Error("a feed has a body");
  let [text, lastId] = ["", ""];
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    const blocks = `${text}${piece}`.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const message = parse(block, lastId);
      lastId = message.id;
      yield message;
    }
  }
}

/** The next message that fits. Throws where the feed ends before. */
export async function nextWhere(
  feed: AsyncGenerator<FeedMessage, void>,
  fits: (message: FeedMessage) => boolean,
): Promise<FeedMessage> {
  for (;;) {
    const next = await feed.next();
    if (next.done === true) throw new Error("the feed has ended");
    if (fits(next.value)) return next.value;
  }
}

// NATS JetStream as a work queue: file storage, a sync before each acknowledgement, double acks.

import { AckPolicy, connect, JSONCodec, RetentionPolicy, StorageType } from "nats";

const STREAM = "BENCH";
const IN_FLIGHT = 1_024;
const codec = JSONCodec();
let nats, jetstream, manager;

export default {
  version: process.env.BENCH_NATS_VERSION ?? "unknown",
  settings: "sync_interval always, work queue, explicit double ack, pull 500",
  rescue: 30,
  async open({ fresh = true }) {
    nats = await connect({ servers: process.env.BENCH_NATS });
    jetstream = nats.jetstream();
    manager = await nats.jetstreamManager();
    if (!fresh) return;
    await manager.streams.delete(STREAM).catch(() => {});
    await manager.streams.add({
      name: STREAM, subjects: ["bench"], retention: RetentionPolicy.Workqueue, storage: StorageType.File,
    });
    await manager.consumers.add(STREAM, {
      durable_name: "bench", ack_policy: AckPolicy.Explicit, max_ack_pending: 20_000,
    });
  },
  add: (payload) => jetstream.publish("bench", codec.encode(payload)),
  async addMany(payloads) {
    let next = 0;
    const publish = async () => {
      while (next < payloads.length) await jetstream.publish("bench", codec.encode(payloads[next++]));
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, publish));
  },
  async work(start) {
    const consumer = await jetstream.consumers.get(STREAM, "bench");
    const messages = await consumer.consume({ max_messages: 500 });
    const handle = async (message) => {
      await start(codec.decode(message.data));
      await message.ackAck();
    };
    (async () => {
      for await (const message of messages) handle(message).catch(() => {});
    })();
    return { stop: () => messages.close() };
  },
  async left() {
    return (await manager.streams.info(STREAM)).state.messages;
  },
  close: () => nats?.close(),
};

// What the peers on PostgreSQL share: a pool, and an empty database for each run.

import pg from "pg";

export const url = process.env.BENCH_POSTGRES;

/** An empty database of this name, if it is to be fresh; its address. */
export async function database(name, fresh = true) {
  const address = new URL(url);
  if (fresh) {
    const client = new pg.Client(url);
    await client.connect();
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${name}`);
    await client.end();
  }
  address.pathname = `/${name}`;
  return address.href;
}

export function pool(address, max) {
  const made = new pg.Pool({ connectionString: address, max });
  made.on("error", () => {});
  made.on("connect", (client) => client.on("error", () => {}));
  return made;
}

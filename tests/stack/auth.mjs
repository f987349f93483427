// The auth half of Supabase for tests: sign-up, sign-in, refresh, user and sign-out over the stack's own Postgres.
// Its settings come as JSON in STACK_AUTH. GET /__outbox/EMAIL returns the mails that were "sent".
// With the argument "schema" it prints the SQL of its tables instead.
import { webcrypto } from "node:crypto";
import { createServer } from "node:http";

globalThis.crypto ??= webcrypto; // Debian's Node 18 does not bring it by itself
const { App, getAuthSchemaSql, InMemoryEmailDriver } = await import("@supabase/lite");
const { createPostgresConnection } = await import("@supabase/lite/postgres");

if (process.argv[2] === "schema") {
  console.log(getAuthSchemaSql());
  process.exit(0);
}
const settings = JSON.parse(process.env.STACK_AUTH);
const outbox = new InMemoryEmailDriver();
const app = new App({
  connection: createPostgresConnection({ url: settings.database }),
  auth: settings.auth,
  options: { drivers: { email: outbox }, server: { apiKeys: false, admin: false } },
});
await app.init();

const server = createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const url = new URL(incoming.url, `http://${incoming.headers.host}`);
  if (url.pathname.startsWith("/__outbox/")) {
    const mails = outbox.messages.get(decodeURIComponent(url.pathname.slice("/__outbox/".length))) ?? [];
    outgoing.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(mails));
    return;
  }
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  const answer = await app.fetch(new Request(url, { method: incoming.method, headers: incoming.headers, body }), { peerAddress: null });
  outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
  outgoing.end(Buffer.from(await answer.arrayBuffer()));
});
server.listen(settings.port, "127.0.0.1");

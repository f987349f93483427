// An OpenID provider for tests: the npm package oidc-provider with its own pages to sign in and to agree.
// Its settings come as JSON in STACK_OIDC: port, client, secret, redirect (addresses), people (by the name they type), inToken.
import { generateKeyPairSync, webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // Debian's Node 18 does not bring it by itself
const { Provider } = await import("oidc-provider");

const settings = JSON.parse(process.env.STACK_OIDC);
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }); // another at each start
const provider = new Provider(`http://127.0.0.1:${settings.port}`, {
  clients: [{ client_id: settings.client, client_secret: settings.secret, redirect_uris: settings.redirect }],
  jwks: { keys: [{ ...key, use: "sig", alg: "RS256" }] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  conformIdTokenClaims: !settings.inToken, // either in the token itself, or only when asked with it
  findAccount: (_context, name) => settings.people[name] && { accountId: name, claims: () => ({ sub: name, ...settings.people[name] }) },
  cookies: { keys: ["only for tests"] },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
});
provider.listen(settings.port, "127.0.0.1");

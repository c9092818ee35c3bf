/** Verifies the access token of stdin, like any service of the demo, with the public key alone. */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { createVerifier } from "@authmq/client/verifier";

const keys = readFileSync(process.env["PUBLIC_KEY"] ?? "", "utf8");
const verifier = createVerifier({ issuer: "authmq", keys });
const { user, groups, vhost, issuedAt, expiresAt } = await verifier.verify(await text(process.stdin));
const minutes = (expiresAt.getTime() - issuedAt.getTime()) / 60_000;
console.log(JSON.stringify({ minutes, claims: { user, groups, vhost } }));

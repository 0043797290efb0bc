// Verify a webhook: node verify.mjs SECRET ID TIMESTAMP SIGNATURES < body; exits with 1 when it is not signed.

import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

/** Whether one of the signatures is right, and not older than five minutes. */
export function isSigned(secret, id, timestamp, signatures, body) {
  if (!/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = Buffer.from("v1," + createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64"));
  return signatures.split(" ").map((each) => Buffer.from(each))
    .some((each) => each.length === expected.length && timingSafeEqual(each, expected));
}

const [secret, id, timestamp, signatures] = process.argv.slice(2);
process.exit(isSigned(secret, id, timestamp, signatures, readFileSync(0)) ? 0 : 1);

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";

// A script of the page: the compiler does not know its types.
const script: string = "../../examples/browser-gateway/page/qr-code.js";
const { pathOf } = (await import(script)) as {
  pathOf: (text: string) => { readonly path: string; readonly size: number } | undefined;
};

const uri =
  "otpauth://totp/Example:alice?issuer=Example&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" +
  "&algorithm=SHA1&digits=6&period=30";

// zbarimg 0.23 has read the codes with these digests: for a change of the script, let a program read them again.
test("the page of the browser gateway draws QR codes that programs have read", () => {
  const digests = [1, 17, uri.length, 250, 500, 858].map((length) => {
    const code = pathOf(uri.repeat(8).slice(0, length));
    return [length, code?.size, hash("sha256", code?.path ?? "").slice(0, 16)];
  });
  assert.deepEqual(digests, [
    [1, 29, "52e0ddb1b09f64d9"],
    [17, 29, "f73795e33f004910"],
    [117, 49, "787fc956e5bfbc79"],
    [250, 65, "54c1064e7f97cab4"],
    [500, 85, "e44483426c6892f3"],
    [858, 105, "1840f38f32d05e33"],
  ]);
});

test("a text that is too long has no QR code", () => {
  assert.equal(pathOf("x".repeat(859)), undefined);
  assert.equal(pathOf("é".repeat(430)), undefined);
});

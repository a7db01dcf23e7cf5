// One request in as JSON, one answer out as JSON: what tests/interop/peers/openpgpjs.py asks of OpenPGP.js.
import * as openpgp from "openpgp";

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const text = (bytes) => Buffer.from(bytes).toString("base64");
const publicKeys = (keys) => Promise.all((keys ?? []).map((armoredKey) => openpgp.readKey({ armoredKey })));
const secretKey = (armoredKey) => (armoredKey ? openpgp.readPrivateKey({ armoredKey }) : undefined);

// The fingerprint of the one key whose signature is good; OpenPGP.js rejects `verified` where it is not.
async function signer(signatures, keys) {
  if (signatures.length === 0) return null;
  await signatures[0].verified;
  const id = signatures[0].keyID;
  return keys.find((key) => key.getKeys(id).length > 0).getFingerprint().toUpperCase();
}

const acts = {
  generate: async ({ address, version }) => {
    const config = { v6Keys: version === 6 };
    const made = await openpgp.generateKey({ userIDs: [{ email: address }], format: "object", config });
    return {
      secret: made.privateKey.armor(),
      public: made.publicKey.armor(),
      fingerprint: made.publicKey.getFingerprint().toUpperCase(),
    };
  },

  sign: async ({ content, secret }) => ({
    message: await openpgp.sign({
      message: await openpgp.createMessage({ binary: bytes(content) }),
      signingKeys: await secretKey(secret),
      detached: true,
    }),
  }),

  verify: async ({ content, signature, known }) => {
    const keys = await publicKeys(known);
    const seen = await openpgp.verify({
      message: await openpgp.createMessage({ binary: bytes(content) }),
      signature: await openpgp.readSignature({ armoredSignature: signature }),
      verificationKeys: keys,
    });
    return { signer: await signer(seen.signatures, keys) };
  },

  encrypt: async ({ content, recipients, secret, password }) => ({
    message: await openpgp.encrypt({
      message: await openpgp.createMessage({ binary: bytes(content) }),
      encryptionKeys: await publicKeys(recipients),
      signingKeys: await secretKey(secret),
      passwords: password ? [password] : undefined,
    }),
  }),

  decrypt: async ({ message, secret, known, password }) => {
    const keys = await publicKeys(known);
    const seen = await openpgp.decrypt({
      message: await openpgp.readMessage({ armoredMessage: message }),
      decryptionKeys: await secretKey(secret),
      verificationKeys: keys,
      passwords: password ? [password] : undefined,
      format: "binary",
    });
    return { content: text(seen.data), signer: await signer(seen.signatures, keys) };
  },
};

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { act, ...given } = JSON.parse(Buffer.concat(chunks).toString("utf8"));
try {
  process.stdout.write(JSON.stringify(await acts[act](given)));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

// Passkeys in this browser: WebAuthn with its JSON forms.

/** Whether this browser can use passkeys; false also without HTTPS. */
export const hasPasskeys = typeof globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON === "function";

/** Hides what needs passkeys. */
export function hidePasskeys() {
  for (const element of document.querySelectorAll("[data-passkey]")) element.hidden = true;
}

/** Asks for a passkey; resolves with the credential in JSON form, or the message for an error. */
export async function usePasskey(options) {
  return ask(() => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return navigator.credentials.get({ publicKey });
  });
}

/** Creates a passkey; resolves with the credential in JSON form, or the message for an error. */
export async function createPasskey(options) {
  return ask(() => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey });
  });
}

const ERRORS = {
  InvalidStateError: "This device already has a passkey of your account.",
  NotAllowedError: "No passkey was used. Try again, or choose another way.",
  NotSupportedError: "This device cannot create a passkey for this site.",
  SecurityError: "Passkeys do not work at this address.",
};

async function ask(action) {
  try {
    return { credential: (await action()).toJSON() };
  } catch ({ name }) {
    return { error: ERRORS[name] ?? "The passkey did not work. Try again." };
  }
}

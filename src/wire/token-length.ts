/**
 * The longest token, in characters, that is issued and that any reader accepts: issuer, validator and client share this
 * limit, so that every issued token works everywhere. Twice as much fits into a request.
 */
export const MAX_TOKEN_LENGTH = 32_768;

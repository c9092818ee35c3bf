/**
 * The longest token in characters. Issuer, validator and client share this limit, so that every issued token is
 * accepted. A request may be twice as long.
 */
export const MAX_TOKEN_LENGTH = 32_768;

/** The factors for pages of a kind, by the address; of several, the first that matches. All others have 1. */
const FACTORS: readonly (readonly [address: RegExp, factor: number])[] = [
  // Decisions and changes: below every other page.
  [/^\/(?:docs\/adr\/|CHANGELOG)/, 0.01],
  // About another system, in words that fit every question.
  [/^\/docs\/guides\/py-auth-micro\b/, 0.5],
  // For every way to run authmq, where a guide to one of them has a section about it.
  [/^\/docs\/upgrade\b/, 2],
  [/^\/docs\/(?:guides\/|tutorials\/|second-factor\b)/, 1.5],
  // The words of a standard, with a clause about each.
  [/^\/docs\/asvs\b/, 0.5],
];

/** The factor for the score of a section that was found, by its address. */
export function boostOf(address: string): number {
  return FACTORS.find(([pattern]) => pattern.test(address))?.[1] ?? 1;
}

/** GeneralizedTime (RFC 4517 section 3.3.13): minutes, seconds and their fraction may be absent. */
const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:[.,]\d+)?)?)?(?:Z|([+-])(\d\d)(\d\d)?)$/;

/** Parses a GeneralizedTime to milliseconds since 1970; undefined if it is not valid. */
export function parseGeneralizedTime(text: string): number | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute = "0", second = "0", sign, hours = "0", minutes = "0"] =
    match.slice(1);
  const local = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return sign === "-" ? local + offset : local - (sign === "+" ? offset : 0);
}

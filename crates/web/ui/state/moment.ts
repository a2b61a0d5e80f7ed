// A moment in time as a person types it: RFC 3339, epoch, clock time, or so long ago. Pure.

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The moment that `text` means, seen from `now`; null if it means none. */
export function moment(text: string, now: number, utc: boolean): number | null {
  const typed = text.trim();
  const ago = /^-\s*(\d+(?:\.\d+)?)\s*([smhd])$/.exec(typed);
  if (ago) return Math.round(now - Number(ago[1]) * UNITS[ago[2]]);
  const epoch = /^(\d{10})(\d{3})?(?:\.(\d{1,3}))?$/.exec(typed);
  if (epoch) return Number(epoch[1]) * 1000 + Number(epoch[2] ?? (epoch[3] ?? "0").padEnd(3, "0"));
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*(?:utc|z))?$/i.exec(typed);
  if (clock) return latestClock(clock, now, utc || /(?:utc|z)$/i.test(typed));
  if (/^\d{4}-\d{2}-\d{2}/.test(typed)) return dated(typed, utc);
  return null;
}

/** The last time that clocks showed this. */
function latestClock([, hours, minutes, seconds = "0"]: RegExpExecArray, now: number, utc: boolean): number | null {
  const [h, m, s] = [hours, minutes, seconds].map(Number);
  if (h > 23 || m > 59 || s > 59) return null;
  const date = new Date(now);
  if (utc) date.setUTCHours(h, m, s, 0);
  else date.setHours(h, m, s, 0);
  return date.getTime() <= now ? date.getTime() : date.getTime() - 86_400_000;
}

function dated(typed: string, utc: boolean): number | null {
  const text = typed.replace(" ", "T");
  const zoned = /(?:z|[+-]\d{2}:?\d{2})$/i.test(text.slice(10));
  const full = text.length <= 10 ? `${text}T00:00` : text;
  const at = Date.parse(zoned || !utc ? full : `${full}Z`);
  return Number.isNaN(at) ? null : at;
}

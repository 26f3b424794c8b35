/** Counts by hour or day as the bars of a histogram, with a bar for an hour in which nobody called. */

export const HOURS_UP_TO = 3 * 24 * 3_600_000;
const LENGTHS = { hour: 3_600_000, day: 24 * 3_600_000 } as const;
/** Cloudscape leaves some pixels between two bars: of more bars than these, none has a width. */
export const MOST_BARS = { narrow: 40, wide: 100 } as const;

const HOUR = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
/** Keytrail counts by the days of UTC: in the reader's zone each would bear the name of the one before or after. */
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });

export function tickWords(at: Date, unit: keyof typeof LENGTHS): string {
  return (unit === "hour" ? HOUR : DAY).format(at);
}

export interface Counted {
  calls: number;
  effect: string | null;
  hour: string | null;
  day: string | null;
}

/** Of an answer that was cut: what is left without its oldest hour or day, of which a part may be missing. The latest come first. */
export function wholeTimes<T extends Counted>(counted: readonly T[], unit: keyof typeof LENGTHS, more: boolean): readonly T[] {
  const oldest = counted.at(-1)?.[unit];
  return more ? counted.filter((each) => each[unit] !== oldest) : counted;
}

export interface Bars {
  bars: Date[];
  allowed: Map<Date, number>;
  refused: Map<Date, number>;
}

export function barsOf(counted: readonly Counted[], unit: keyof typeof LENGTHS, most: number): Bars {
  const length = LENGTHS[unit];
  const times = counted.map((each) => Date.parse(each[unit] ?? "")).filter((each) => !Number.isNaN(each));
  const allowed = new Map<Date, number>();
  const refused = new Map<Date, number>();
  if (times.length === 0) return { bars: [], allowed, refused };
  const first = Math.min(...times);
  const last = Math.max(...times);
  const step = Math.ceil(((last - first) / length + 1) / most) * length;
  const bars: Date[] = [];
  for (let at = first; at <= last; at += step) bars.push(new Date(at));
  for (const each of counted) {
    const at = bars[Math.floor((Date.parse(each[unit] ?? "") - first) / step)];
    if (at === undefined) continue;
    const of = each.effect === "allowed" ? allowed : refused;
    of.set(at, (of.get(at) ?? 0) + each.calls);
  }
  return { bars, allowed, refused };
}

/** A time or a position, as a user types it: a position is "@" and digits, a time is RFC 3339. */

const POSITION = /^@\d{1,17}$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const CLOCK = /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

export function isMoment(text: string): boolean {
  return POSITION.test(text) || (TIME.test(text) && !Number.isNaN(Date.parse(text)));
}

/** A time of the reader's own clock, as RFC 3339 in UTC; null if it is not a time. */
export function momentOf(date: string, clock: string): string | null {
  const text = clock === "" ? "00:00:00" : clock.length === 5 ? `${clock}:00` : clock;
  if (!DATE.test(date) || !CLOCK.test(text)) return null;
  const moment = new Date(`${date}T${text}`);
  return Number.isNaN(moment.getTime()) ? null : moment.toISOString();
}

/** The date and the time of the reader's own clock, as `momentOf` takes them. */
export function fieldsOf(moment: Date): { date: string; clock: string } {
  const two = (number: number) => String(number).padStart(2, "0");
  const date = [String(moment.getFullYear()).padStart(4, "0"), two(moment.getMonth() + 1), two(moment.getDate())].join("-");
  return { date, clock: [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two).join(":") };
}

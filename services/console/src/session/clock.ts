/** How far this computer's clock is from Keytrail's. Each answer brings Keytrail's time, to the second. */

let ahead = 0; // milliseconds by which Keytrail's clock is ahead of ours
const TRIFLE = 2_000;

/** `date` is the header of an answer that has just come. */
export function heard(date: string | null | undefined, now: number = Date.now()): void {
  const told = Date.parse(date ?? "");
  if (Number.isNaN(told)) return;
  ahead = Math.abs(told - now) < TRIFLE ? 0 : told - now;
}

/** Now, by Keytrail's clock. */
export function keytrailNow(now: number = Date.now()): number {
  return now + ahead;
}

/** What is wrong with this computer's clock, and what to do about it. */
export function clockWords(now: number = Date.now()): string {
  const clock = (at: number) => new Date(at).toISOString().slice(0, 19).replace("T", " ");
  return `This computer's clock says ${clock(now)} UTC, and Keytrail's says ${clock(now + ahead)} UTC: yours is ${length(Math.abs(ahead))} ${
    ahead > 0 ? "slow" : "fast"
  }. Signatures are taken for five minutes only, so set this computer's clock (let it set itself by the network), then sign in again. If yours is right, Keytrail's server has the wrong time.`;
}

function length(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000);
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/** How long a deletion waits. Source: API reference, ScheduleKeyDeletion. */

export const FEWEST_DAYS = 7;
export const MOST_DAYS = 30;

export function fits(days: string): boolean {
  const count = Number(days);
  return Number.isInteger(count) && count >= FEWEST_DAYS && count <= MOST_DAYS;
}

/** An alias name as the API takes it, whether or not it was typed with its prefix. */
export function full(alias: string): string {
  const name = alias.trim();
  return name.startsWith("alias/") ? name : `alias/${name}`;
}

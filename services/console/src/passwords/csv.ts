/** The file in which a new password can be saved, as the AWS console has it: with a byte order mark, for spreadsheets. */

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvOf(user: string, password: string, url: string): string {
  return `\ufeffUser name,Password,Console sign-in URL\r\n${[user, password, url].map(field).join(",")}\r\n`;
}

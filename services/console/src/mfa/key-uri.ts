/** What the QR code of a virtual MFA device says to an authenticator app: the "key URI" that all of them read. */

const ISSUER = "Keytrail";

/** `secret` is the seed of the device in Base32, as IAM gives it. The label is what the app lists: AWS's has the account, too. */
export function keyUri(serial: string, secret: string): string {
  const account = serial.split(":")[4] ?? "";
  const label = `${ISSUER}:${encodeURIComponent(`${deviceName(serial)}@${account}`)}`;
  return `otpauth://totp/${label}?secret=${secret}&issuer=${ISSUER}`;
}

/** The name in a device's serial number, without its path. */
export function deviceName(serial: string): string {
  return serial.split("/").at(-1) ?? serial;
}

export function isCode(text: string): boolean {
  return /^\d{6}$/.test(text);
}

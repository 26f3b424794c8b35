/** What IAM can do with a virtual MFA device. */

import {
  CreateVirtualMFADeviceCommand,
  DeactivateMFADeviceCommand,
  DeleteVirtualMFADeviceCommand,
  EnableMFADeviceCommand,
  EntityAlreadyExistsException,
  GetMFADeviceCommand,
  type IAMClient,
  ListVirtualMFADevicesCommand,
  NoSuchEntityException,
  ResyncMFADeviceCommand,
} from "@aws-sdk/client-iam";

import { iam } from "../aws";
import { deviceName } from "./key-uri";

/** A device that was made and that nobody has yet. Its secret is in this answer alone. */
export interface NewDevice {
  serial: string;
  secret: string;
  /** Deletes it, also after its maker signed out. */
  giveUp: () => Promise<unknown>;
}

export type Codes = readonly [string, string];

const MOST = 1000;
const MOST_PIECES = 10;

/** The account's devices, those of a user or those that nobody has. `whole` is false if there are more than anybody asks for. */
async function* everyDevice(status: "Assigned" | "Unassigned", abortSignal?: AbortSignal) {
  const client = await iam();
  let Marker: string | undefined;
  for (let count = 0; count < MOST_PIECES; count += 1) {
    const asked = new ListVirtualMFADevicesCommand({ AssignmentStatus: status, MaxItems: MOST, Marker });
    const found = await client.send(asked, abortSignal === undefined ? {} : { abortSignal });
    yield { devices: found.VirtualMFADevices ?? [], whole: found.IsTruncated !== true };
    if (found.IsTruncated !== true) return;
    Marker = found.Marker;
  }
}

/** The users who have a device, by their ARNs. */
export async function usersWithDevices(abortSignal: AbortSignal): Promise<{ users: ReadonlySet<string>; whole: boolean }> {
  const users = new Set<string>();
  let complete = true;
  for await (const { devices, whole } of everyDevice("Assigned", abortSignal)) {
    complete = whole;
    for (const each of devices) users.add(each.User?.Arn ?? "");
  }
  return { users, whole: complete };
}

/** The serial number of a device of this name that nobody has: it was given up half-made, and nobody can see its secret again. */
async function unusedDevice(name: string): Promise<string | null> {
  for await (const { devices } of everyDevice("Unassigned")) {
    const found = devices.find((each) => deviceName(each.SerialNumber ?? "").toLowerCase() === name.toLowerCase());
    if (found?.SerialNumber !== undefined) return found.SerialNumber;
  }
  return null;
}

/** Makes a device; or, if there is one of this name that nobody has, says which. A lost answer ends in that, too: the client asks
 * again, and the first request made the device. */
export async function make(name: string): Promise<NewDevice | { unused: string }> {
  const client = await iam();
  try {
    const { VirtualMFADevice: made } = await client.send(new CreateVirtualMFADeviceCommand({ VirtualMFADeviceName: name }));
    const serial = made?.SerialNumber ?? "";
    const secret = new TextDecoder().decode(made?.Base32StringSeed);
    return { serial, secret, giveUp: () => remove(client, serial) };
  } catch (thrown) {
    const unused = thrown instanceof EntityAlreadyExistsException ? await unusedDevice(name).catch(() => null) : null;
    if (unused === null) throw thrown;
    return { unused };
  }
}

async function remove(client: IAMClient, SerialNumber: string): Promise<unknown> {
  return client.send(new DeleteVirtualMFADeviceCommand({ SerialNumber }));
}

export async function removeUnused(serial: string): Promise<unknown> {
  return remove(await iam(), serial);
}

export async function give(UserName: string, SerialNumber: string, [AuthenticationCode1, AuthenticationCode2]: Codes): Promise<void> {
  const client = await iam();
  try {
    await client.send(new EnableMFADeviceCommand({ UserName, SerialNumber, AuthenticationCode1, AuthenticationCode2 }));
  } catch (thrown) {
    // After a lost answer the client asks again, and is refused: the codes are used, and the user has the device.
    if (!(await has(client, UserName, SerialNumber))) throw thrown;
  }
}

async function has(client: IAMClient, UserName: string, SerialNumber: string): Promise<boolean> {
  return client.send(new GetMFADeviceCommand({ UserName, SerialNumber })).then(
    () => true,
    () => false,
  );
}

export async function synchronise(UserName: string, SerialNumber: string, [AuthenticationCode1, AuthenticationCode2]: Codes): Promise<unknown> {
  return (await iam()).send(new ResyncMFADeviceCommand({ UserName, SerialNumber, AuthenticationCode1, AuthenticationCode2 }));
}

/** Takes the device from its user and deletes it. If only the first was done, it is not done again. */
export async function takeAway(UserName: string, SerialNumber: string): Promise<unknown> {
  const client = await iam();
  try {
    await client.send(new DeactivateMFADeviceCommand({ UserName, SerialNumber }));
  } catch (thrown) {
    if (!(thrown instanceof NoSuchEntityException)) throw thrown;
  }
  return remove(client, SerialNumber);
}

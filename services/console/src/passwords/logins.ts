/** What IAM can do with the password of a user. */

import {
  ChangePasswordCommand,
  CreateLoginProfileCommand,
  DeleteLoginProfileCommand,
  GetLoginProfileCommand,
  type LoginProfile,
  NoSuchEntityException,
  UpdateLoginProfileCommand,
} from "@aws-sdk/client-iam";

import { iam } from "../aws";

/** null: the user has no password. */
export async function loginOf(UserName: string, abortSignal: AbortSignal): Promise<{ login: LoginProfile | null }> {
  try {
    const found = await (await iam()).send(new GetLoginProfileCommand({ UserName }), { abortSignal });
    return { login: found.LoginProfile ?? null };
  } catch (thrown) {
    if (thrown instanceof NoSuchEntityException && thrown.message.startsWith("Login Profile")) return { login: null };
    throw thrown;
  }
}

export async function givePassword(UserName: string, Password: string, PasswordResetRequired: boolean): Promise<unknown> {
  return (await iam()).send(new CreateLoginProfileCommand({ UserName, Password, PasswordResetRequired }));
}

/** `password` is null if it stays. */
export async function replacePassword(UserName: string, password: string | null, PasswordResetRequired: boolean): Promise<unknown> {
  const asked = { UserName, PasswordResetRequired, ...(password === null ? {} : { Password: password }) };
  return (await iam()).send(new UpdateLoginProfileCommand(asked));
}

export async function takePassword(UserName: string): Promise<unknown> {
  return (await iam()).send(new DeleteLoginProfileCommand({ UserName }));
}

export async function changeOwn(OldPassword: string, NewPassword: string): Promise<unknown> {
  return (await iam()).send(new ChangePasswordCommand({ OldPassword, NewPassword }));
}

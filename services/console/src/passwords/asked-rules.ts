/** Asks for the account's password policy, and changes it. */

import {
  DeleteAccountPasswordPolicyCommand,
  GetAccountPasswordPolicyCommand,
  type IAMClient,
  NoSuchEntityException,
  UpdateAccountPasswordPolicyCommand,
} from "@aws-sdk/client-iam";

import { iam } from "../aws";
import { type PolicyForm, requestOf, type Rules } from "./rules";

export async function askedRules(abortSignal: AbortSignal): Promise<{ rules: Rules }> {
  try {
    const found = await (await iam()).send(new GetAccountPasswordPolicyCommand({}), { abortSignal });
    return { rules: found.PasswordPolicy ?? null };
  } catch (thrown) {
    if (thrown instanceof NoSuchEntityException) return { rules: null };
    throw thrown;
  }
}

export async function put(client: IAMClient, form: PolicyForm): Promise<unknown> {
  const request = requestOf(form);
  return request === null
    ? client.send(new DeleteAccountPasswordPolicyCommand({}))
    : client.send(new UpdateAccountPasswordPolicyCommand(request));
}

/** What IAM can do with OpenID Connect providers. */

import {
  AddClientIDToOpenIDConnectProviderCommand,
  CreateOpenIDConnectProviderCommand,
  DeleteOpenIDConnectProviderCommand,
  GetOpenIDConnectProviderCommand,
  ListOpenIDConnectProvidersCommand,
  ListOpenIDConnectProviderTagsCommand,
  RemoveClientIDFromOpenIDConnectProviderCommand,
  TagOpenIDConnectProviderCommand,
  UntagOpenIDConnectProviderCommand,
  UpdateOpenIDConnectProviderThumbprintCommand,
} from "@aws-sdk/client-iam";

import { iam } from "../aws";
import { paged, piece } from "../identities/kinds";
import type { Piece } from "../shown/listing";
import type { Tag } from "../shown/tags";

export interface Provider {
  arn: string;
  /** Without https://, as IAM has it. */
  host: string;
  clientIds: readonly string[];
  thumbprints: readonly string[];
  created: Date | undefined;
}

/** IAM lists them all at once. */
export async function listProviders(abortSignal: AbortSignal): Promise<Piece<string>> {
  const found = await (await iam()).send(new ListOpenIDConnectProvidersCommand({}), { abortSignal });
  return { items: (found.OpenIDConnectProviderList ?? []).map((each) => each.Arn ?? ""), next: null };
}

export async function provider(arn: string, abortSignal: AbortSignal): Promise<Provider> {
  const found = await (await iam()).send(new GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn }), { abortSignal });
  return {
    arn,
    host: found.Url ?? "",
    clientIds: found.ClientIDList ?? [],
    thumbprints: found.ThumbprintList ?? [],
    created: found.CreateDate,
  };
}

/** Returns its ARN. */
export async function register(Url: string, ClientIDList: string[], ThumbprintList: string[]): Promise<string> {
  const asked = { Url, ClientIDList, ...(ThumbprintList.length === 0 ? {} : { ThumbprintList }) };
  return (await (await iam()).send(new CreateOpenIDConnectProviderCommand(asked))).OpenIDConnectProviderArn ?? "";
}

export async function remove(OpenIDConnectProviderArn: string): Promise<unknown> {
  return (await iam()).send(new DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }));
}

export async function addClientId(OpenIDConnectProviderArn: string, ClientID: string): Promise<unknown> {
  return (await iam()).send(new AddClientIDToOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, ClientID }));
}

export async function removeClientId(OpenIDConnectProviderArn: string, ClientID: string): Promise<unknown> {
  return (await iam()).send(new RemoveClientIDFromOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, ClientID }));
}

/** IAM takes the list whole. */
export async function setThumbprints(OpenIDConnectProviderArn: string, ThumbprintList: string[]): Promise<unknown> {
  return (await iam()).send(new UpdateOpenIDConnectProviderThumbprintCommand({ OpenIDConnectProviderArn, ThumbprintList }));
}

export async function tagsOf(OpenIDConnectProviderArn: string, cursor: string, abortSignal: AbortSignal): Promise<Piece<Tag>> {
  const asked = new ListOpenIDConnectProviderTagsCommand({ OpenIDConnectProviderArn, ...paged(cursor) });
  const found = await (await iam()).send(asked, { abortSignal });
  return piece((found.Tags ?? []).map((each) => ({ name: each.Key ?? "", value: each.Value ?? "" })), found);
}

export async function putTag(OpenIDConnectProviderArn: string, { name, value }: Tag): Promise<unknown> {
  return (await iam()).send(new TagOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, Tags: [{ Key: name, Value: value }] }));
}

export async function removeTag(OpenIDConnectProviderArn: string, name: string): Promise<unknown> {
  return (await iam()).send(new UntagOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, TagKeys: [name] }));
}

/** What went wrong with a request, in words for the user. `message` is the server's own and may quote a caller: show it with
 * `visible`. */

export type FaultKind = "refused" | "credential" | "unreachable" | "not there" | "busy" | "invalid" | "failed";

export interface Fault {
  kind: FaultKind;
  title: string;
  message: string;
  /** AWS's code, "" if nobody answered. */
  code: string;
  /** The call's id, "" if nobody answered. */
  call: string;
}

const TITLES: Record<FaultKind, string> = {
  refused: "You may not do this",
  credential: "Your credential is not accepted",
  unreachable: "Keytrail does not answer",
  "not there": "This does not exist",
  busy: "Keytrail cannot answer now",
  invalid: "The request cannot be taken",
  failed: "The request failed",
};

const KINDS: Readonly<Record<string, FaultKind>> = {
  AccessDenied: "refused",
  AccessDeniedException: "refused",
  ExpiredToken: "credential",
  ExpiredTokenException: "credential",
  IncompleteSignature: "credential",
  InvalidClientTokenId: "credential",
  InvalidSignatureException: "credential",
  MissingAuthenticationToken: "credential",
  SignatureDoesNotMatch: "credential",
  UnrecognizedClientException: "credential",
  NotFoundException: "not there",
  NoSuchEntity: "not there",
  ThrottlingException: "busy",
  KMSInternalException: "failed",
};

const MISMATCH = ["InvalidSignatureException", "SignatureDoesNotMatch"];

/** Whether Keytrail computed another signature than this page. For a credential that Keytrail made itself, only somebody between
 * the two can be the cause. */
export function isMismatch({ code, message }: Fault): boolean {
  return MISMATCH.includes(code) && message.includes("does not match the signature");
}

/** Whether the signature's time was refused: the clocks of this computer and of Keytrail differ. */
export function isClock({ code, message }: Fault): boolean {
  return MISMATCH.includes(code) && /^Signature (?:expired|not yet current)/.test(message);
}

/** An error of `/v1`, in the same form as those of the AWS clients. */
export class V1Error extends Error {
  readonly $metadata: { requestId: string; httpStatusCode: number };
  override readonly name: string;

  constructor(code: string, message: string, status: number, call: string) {
    super(message);
    this.name = code;
    this.$metadata = { requestId: call, httpStatusCode: status };
  }
}

export function faultOf(thrown: unknown): Fault {
  if (!(thrown instanceof Error)) return fault("failed", String(thrown), "", "");
  const metadata = (thrown as { $metadata?: { requestId?: string; httpStatusCode?: number } }).$metadata;
  if (metadata?.httpStatusCode === undefined) {
    const away = thrown instanceof TypeError || thrown.name === "TimeoutError" || thrown.name === "NetworkingError";
    return away
      ? fault("unreachable", "It may be starting, or the network is down.", "", "")
      : fault("failed", thrown.message, thrown.name, "");
  }
  const kind = KINDS[thrown.name] ?? ofStatus(metadata.httpStatusCode);
  return fault(kind, thrown.message, thrown.name, metadata.requestId ?? "");
}

function ofStatus(status: number): FaultKind {
  if (status === 503 || status === 429) return "busy";
  if (status === 404) return "not there";
  return status >= 500 ? "failed" : "invalid";
}

function fault(kind: FaultKind, message: string, code: string, call: string): Fault {
  return { kind, title: TITLES[kind], message, code, call };
}

/** Whether the same question may be answered soon. A page asks its questions again then, and never repeats a change. */
export function isPassing(fault: Fault): boolean {
  return fault.kind === "unreachable" || fault.kind === "busy";
}

/** The fault of a question that the page asks again. */
export function repeated(fault: Fault): Fault {
  return { ...fault, message: `${fault.message}${fault.message.endsWith(".") ? "" : "."} This page tries again by itself.` };
}

/** Refused, and on record: `ThrottlingException` of KMS and `/v1`, `Throttling` of IAM. */
const THROTTLED = ["ThrottlingException", "Throttling"];

/** Nobody knows whether the request was carried out. */
export function isUnanswered(fault: Fault): boolean {
  return (isPassing(fault) && !THROTTLED.includes(fault.code)) || fault.kind === "failed";
}

export function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "AbortError";
}

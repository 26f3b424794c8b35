/** Without a session the sign-in page, whatever the URL says; with one, the page of the URL. So a session that ends leads back
 * to the same page. */

import { type ReactNode, Suspense, useEffect, useState } from "react";

import { takeOver, useSession, useSigned } from "./session/session";
import { takeAnswer } from "./session/begun-sign-in";
import { takeCode } from "./session/exchange";
import { SignIn } from "./session/sign-in";
import { CodeSignIn } from "./session/code-sign-in";
import { CrashFence } from "./shell/crash-fence";
import { onDemand } from "./shown/on-demand";

const Shell = onDemand(() => import("./shell/shell"));
const ProviderSignIn = onDemand(() => import("./session/provider-sign-in"));
const RoleLost = onDemand(() => import("./session/role-lost"));

export function App() {
  const session = useSession();
  const { first, lost } = useSigned();
  const [code, setCode] = useState(takeCode);
  const [answered, setAnswered] = useState(takeAnswer);
  const [asking, setAsking] = useState(session === null && code === null && answered === null);
  useEffect(() => {
    if (asking) void takeOver().finally(() => setAsking(false));
  }, [asking]);
  if (code !== null) return <CodeSignIn code={code} done={() => setCode(null)} />;
  if (answered !== null) {
    return (
      <Part>
        <ProviderSignIn answered={answered} done={() => setAnswered(null)} />
      </Part>
    );
  }
  if (lost !== null && first !== null) {
    return (
      <Part>
        <RoleLost lost={lost} first={first} />
      </Part>
    );
  }
  if (session === null) return asking ? null : <SignIn />;
  return (
    <Part>
      {/* A page keeps nothing of another user's. */}
      <Shell key={session.identity.arn} session={session} />
    </Part>
  );
}

/** Loaded once it is needed. */
function Part({ children }: { children: ReactNode }) {
  return (
    <CrashFence>
      <Suspense fallback={null}>{children}</Suspense>
    </CrashFence>
  );
}

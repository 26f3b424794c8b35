/** Without a session the sign-in page, whatever the URL says; with one, the page of the URL. So a session that ends leads back
 * to the same page. */

import { lazy, Suspense, useEffect, useState } from "react";

import { takeOver, useSession, useSigned } from "./session/session";
import { takeAnswer } from "./session/begun-sign-in";
import { takeCode } from "./session/exchange";
import { SignIn } from "./session/sign-in";
import { CodeSignIn } from "./session/code-sign-in";

const Shell = lazy(() => import("./shell/shell"));
const ProviderSignIn = lazy(() => import("./session/provider-sign-in"));
const RoleLost = lazy(() => import("./session/role-lost"));

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
      <Suspense fallback={null}>
        <ProviderSignIn answered={answered} done={() => setAnswered(null)} />
      </Suspense>
    );
  }
  if (lost !== null && first !== null) {
    return (
      <Suspense fallback={null}>
        <RoleLost lost={lost} first={first} />
      </Suspense>
    );
  }
  if (session === null) return asking ? null : <SignIn />;
  return (
    <Suspense fallback={null}>
      {/* A page keeps nothing of another user's. */}
      <Shell key={session.identity.arn} session={session} />
    </Suspense>
  );
}

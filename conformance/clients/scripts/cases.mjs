// Cases of a script, printed as the Test Anything Protocol has them; each runs whether or not the one before it failed.
export async function run(name, body) {
  try {
    await body();
    console.log(`ok - ${name}`);
  } catch (error) {
    console.log(`not ok - ${name}: ${error.name}: ${String(error.message).split("\n").join(" ").slice(0, 400)}`);
  }
}

// The error's class must be this one: a client's users catch by class.
export async function refused(kind, promise) {
  try {
    await promise;
  } catch (error) {
    if (error instanceof kind) return error;
    throw new Error(`${error.name}, and not ${kind.name}: ${error.message}`);
  }
  throw new Error(`it was answered, and not refused with ${kind.name}`);
}

/** Hand bytes to the user as a file. They never leave the browser otherwise. */
export function download(name: string, bytes: Uint8Array | string | Blob): void {
  const part = typeof bytes === "string" || bytes instanceof Blob ? bytes : new Uint8Array(bytes);
  const url = URL.createObjectURL(new Blob([part], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the browser has begun to write it by then
}

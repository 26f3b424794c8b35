/** How many records a tab of a key's page asks for at once. */
export const FEW = 20;

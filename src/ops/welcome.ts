/** Prints, on a development start, commands that work as they stand. */
export function welcome(url: URL, key: string): void {
  const base = `http://localhost:${url.port}`;
  const id = `demo-${Date.now().toString(36)}`;
  const body = JSON.stringify({
    customerId: "c-1",
    contact: { name: "Ada Example", email: "ada@example.org" },
    shippingAddress: {
      line1: "1 Example Street",
      city: "Leeds",
      postcode: "LS1 1AA",
      country: "GB",
    },
    currency: "GBP",
    lines: [{ sku: "85123A", quantity: 6, unitPrice: 255 }],
  });
  console.log(`
varve is ready on ${base}. Create an order, then read it:

curl -i ${base}/commands/orders/${id}/create \\
  -H 'Authorization: Bearer ${key}' \\
  -H 'Content-Type: application/json' \\
  -d '${body}'

curl ${base}/queries/orders/${id} -H 'Authorization: Bearer ${key}'
`);
}

/** A service of the demo, in a process of its own. The demo shows the lines after the settings. */
import { connect, createSession } from "@authmq/client";

const { AMQP_URL: url = "", QUEUES = "{}", API_KEY: apiKey = "" } = process.env;
const queues = JSON.parse(QUEUES) as Record<string, string>; // the demo writes it

const auth = await connect({ url, queues });
const session = createSession(auth, { apiKey });
const access_token = await session.accessToken();
console.log(JSON.stringify(await auth.user.get({ username: "invoices", access_token })));
await session.close();
await auth.close();

// The shop by itself: Node.js answers everything.
import { close, createShop, log, onStop } from "./app.js";
import { config } from "./config.js";

const server = createShop();
server.listen(config.port, config.host, () => log("info", "shop open", { host: config.host, port: config.port, instance: config.instance }));
onStop(() => close(server));

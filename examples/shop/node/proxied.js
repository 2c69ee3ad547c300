// The shop behind Nginx, in one container: Nginx serves the built front end and hands the rest to Node.js over a socket.
// This process starts both and ends when either does.
import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { close, createShop, log, onStop } from "./app.js";
import { config } from "./config.js";

const socket = "/tmp/shop.sock";
const file = "/tmp/nginx.conf";

// A shop that was killed left its socket behind.
rmSync(socket, { force: true });

const server = createShop();
// Longer than Nginx keeps idle connections (a minute): it must be the one to close them, or it sends a request into one
// that is being closed.
server.keepAliveTimeout = 75_000;
server.listen(socket, () => {
  const values = { LISTEN: `${config.host}:${config.port}`, SOCKET: socket, INSTANCE: config.instance, IMAGE: config.image };
  writeFileSync(file, readFileSync("nginx.conf", "utf8").replace(/\$\{(\w+)\}/g, (_, name) => values[name]));
  const nginx = spawn("nginx", ["-c", file, "-e", "stderr", "-g", "daemon off;"], { stdio: "inherit" });
  nginx.on("error", (error) => {
    log("error", "nginx not started", { cause: error.message });
    process.exit(1);
  });
  let stopping = false;
  nginx.on("exit", (code, signal) => {
    if (stopping) {
      close(server);
      return;
    }
    log("error", "nginx ended", { code, signal });
    process.exit(1);
  });
  onStop(() => {
    stopping = true;
    nginx.kill("SIGQUIT"); // answers the requests in hand first
  });
  log("info", "shop open", { host: config.host, port: config.port, instance: config.instance });
});

// Everything the shop needs to know comes from the environment.
import { randomBytes } from "node:crypto";

const env = process.env;
const region = env.LEEWARD_REGION ?? "local";
const variant = env.LEEWARD_VARIANT ?? "source";

export const config = {
  host: env.HOST ?? "0.0.0.0",
  port: Number(env.PORT ?? 8080),
  // Told in every answer, so that whoever asks knows who answered.
  instance: `${region}/${variant}/${randomBytes(6).toString("hex")}`,
  // The digest of the image this runs from, where the platform says so.
  image: env.LEEWARD_IMAGE ?? "",
  // Orders are written to the primary. Products are read from a replica nearby, where there is one.
  primary: env.DATABASE_URL ?? "",
  replica: env.DATABASE_READ_URL || env.DATABASE_URL || "",
};

// Sends a file with tus-js-client to an upload that was made for it, and gives up once so many percent are there. Prints
// how far it was at the beginning and in the end.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.env.NODE_MODULES, "driver.js"));
const tus = require("tus-js-client");
const where = JSON.parse(process.argv[2]);
const file = readFileSync(where.file);

let first = null;
const sent = await new Promise((resolve, reject) => {
  const upload = new tus.Upload(file, {
    uploadUrl: where.url,
    chunkSize: where.chunk,
    retryDelays: null,
    onProgress: (bytes) => (first ??= bytes),
    onChunkComplete: (_, accepted, total) => {
      if (where.percent && (accepted / total) * 100 >= where.percent) upload.abort().then(() => resolve(accepted), reject);
    },
    onSuccess: () => resolve(file.length),
    onError: reject,
  });
  upload.start();
});
console.log(JSON.stringify({ first, sent }));

// Tests run in workerd, with the bindings of wrangler.jsonc.

import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // A busy machine is no failure.
  test: { testTimeout: 60_000, hookTimeout: 60_000, globalSetup: "test/judge.mjs" },
  plugins: [
    cloudflareTest({
      wrangler: { configPath: "./wrangler.jsonc" },
      miniflare: {
        bindings: { ADMIN_TOKEN: "test-admin", BODY_MAX: "3000000", SIZE_MAX: "12000000" },
      },
    }),
  ],
});

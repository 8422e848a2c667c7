import { defineVerb } from "./cli-arguments.ts";
import { faultText, loadConfig } from "./config.ts";
import { describeConfig, renderConfigText } from "./config-table.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { writeLine } from "./output.ts";

/** `varve config`: the settings in force, secrets masked, or every fault and exit code 78. */
export const configVerb = defineVerb({
  name: "config",
  description: "Show every setting, its value in force and its default",
  run: (args): ExitCode => {
    const loaded = loadConfig(process.env);
    if (!loaded.ok) {
      if (args.json) writeLine(JSON.stringify({ ok: false, faults: loaded.error }));
      else process.stderr.write(`varve: ${faultText(loaded.error)}\n`);
      return exitCodes.configuration;
    }
    const rows = describeConfig(process.env, loaded.value);
    writeLine(args.json ? JSON.stringify({ ok: true, settings: rows }) : renderConfigText(rows));
    return exitCodes.done;
  },
});

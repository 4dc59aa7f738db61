// graphile.mjs - graphile-worker, as its documentation has it fastest, and otherwise
//
// Best: what its documentation measures 183,000 jobs a second with: a local queue, so that
// one statement fetches many jobs, and batched completion
// (https://worker.graphile.org/docs/performance). Large: a queue ten times as long, and
// more jobs at once, which is not in its documentation. It deletes a job when it is done.

import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";

import { main } from "./program.mjs";

const quiet = new Logger(() => () => {});
const BATCHED = { completeJobBatchDelay: 0, failJobBatchDelay: 0 };
const WORKERS = {
	best: { concurrentJobs: 24, maxPoolSize: 25, localQueue: { size: 500 }, ...BATCHED },
	large: { concurrentJobs: 100, maxPoolSize: 10, localQueue: { size: 5000 }, ...BATCHED },
	default: {},
};

function pool(max) {
	const complain = (error) => process.stderr.write(`graphile: ${error.message}\n`);
	return new pg.Pool({ max })
		.on("error", complain)
		.on("connect", (client) => client.on("error", complain));
}

async function utilities(connections) {
	const pgPool = pool(connections);
	const utils = await makeWorkerUtils({ pgPool, logger: quiet });
	return { utils, close: async () => { await utils.release(); await pgPool.end(); } };
}

const graphile = {
	lanes: Number(process.env.GRAPHILE_LANES ?? 2),

	async setup() {
		const { utils, close } = await utilities(1);
		await utils.migrate();
		await close();
	},

	async pusher(connections) {
		const { utils, close } = await utilities(connections);
		return {
			close,
			one: (payload) => utils.addJob("noop", payload),
			many: (jobs, key) => utils.addJobs(jobs.map((payload) => ({
				identifier: "noop",
				payload,
				jobKey: key ? key(payload) : undefined,
			}))),
		};
	},

	async work(handle, configuration) {
		const worker = WORKERS[configuration];
		const pgPool = pool(worker.maxPoolSize ?? 10);
		const runner = await run({
			pgPool,
			logger: quiet,
			noHandleSignals: true,
			taskList: { noop: handle },
			preset: { worker },
		});
		return { stop: async () => { await runner.stop(); await pgPool.end(); } };
	},
};

await main(graphile);

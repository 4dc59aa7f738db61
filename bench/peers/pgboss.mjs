// pgboss.mjs - pg-boss, in its best documented configuration and its default
//
// Best: a queue with NOTIFY and a table of its own, jobs fetched in large batches without
// their metadata, the next fetch at once while batches are full
// (https://pgboss.io/api/workers, https://pgboss.io/api/queues).

import { PgBoss } from "pg-boss";

import { main } from "./program.mjs";

const QUEUE = "noop";
const KEYED = "keyed"; // of the policy under which a key has one live job at most
const SERVER = {
	host: process.env.PGHOST,
	port: Number(process.env.PGPORT ?? 5432),
	user: process.env.PGUSER,
	database: process.env.PGDATABASE,
};
const BEST_QUEUE = { notify: true, partition: true };
const BEST = {
	batchSize: Number(process.env.PGBOSS_BATCH ?? 5000),
	localConcurrency: Number(process.env.PGBOSS_CONCURRENCY ?? 2),
	burstWhenBatchFull: true,
	includeMetadata: false,
	pollingIntervalSeconds: 0.5,
	notifyPollingIntervalSeconds: 0.5,
};

async function open(options) {
	const boss = new PgBoss({ ...SERVER, ...options });
	boss.on("error", (error) => process.stderr.write(`pg-boss: ${error.stack}\n`));
	await boss.start();
	return boss;
}

const pgboss = {
	lanes: Number(process.env.PGBOSS_LANES ?? 2),

	async setup(configuration) {
		const boss = await open({ schedule: false });
		await boss.createQueue(QUEUE, configuration === "best" ? BEST_QUEUE : {});
		await boss.createQueue(KEYED, { policy: "exclusive" });
		await boss.stop({ graceful: false });
	},

	async pusher(connections) {
		const boss = await open({ max: connections, supervise: false, schedule: false });
		return {
			close: () => boss.stop({ graceful: false }),
			one: (data) => boss.send(QUEUE, data),
			many: (jobs, key) => (key
				? boss.insert(KEYED, jobs.map((data) => ({ data, singletonKey: key(data) })))
				: boss.insert(QUEUE, jobs.map((data) => ({ data })))),
		};
	},

	async work(handle, configuration) {
		const best = configuration === "best";
		const boss = await open({ schedule: false, useListenNotify: best });
		await boss.work(QUEUE, best ? BEST : {}, async (jobs) => {
			for (const job of jobs) {
				handle(job.data);
			}
		});
		return { stop: () => boss.stop({ graceful: true, timeout: 30000 }) };
	},
};

await main(pgboss);

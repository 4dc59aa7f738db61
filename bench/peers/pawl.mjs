// pawl.mjs - Pawl claimed and completed from Node through SQL alone
//
// So that the language of the handler is not what is measured beside the Node peers.
// One connection claims while another settles what was claimed before; the third beats.

import pg from "pg";

import { main } from "./program.mjs";

const BATCH = Number(process.env.PAWL_BATCH ?? 1000);
const LEASE_S = 30;
const POLL_MS = 1000;

async function connect() {
	const client = new pg.Client();
	await client.connect();
	return client;
}

class Worker {
	async start(handle) {
		this.handle = handle;
		this.stopping = false;
		[this.claims, this.settles, this.keeper] =
			await Promise.all([connect(), connect(), connect()]);
		const { rows } = await this.keeper.query(
			"SELECT pawl.worker_start('bench', $1::interval, '{default}', '{noop}') AS id",
			[`${LEASE_S} s`]);
		this.id = rows[0].id;
		this.beat = setInterval(() => this.heartbeat(), (LEASE_S * 1000) / 3);
		this.running = this.loop();
		return this;
	}

	async heartbeat() {
		await this.keeper.query("SELECT pawl.heartbeat($1)", [this.id]);
	}

	async claim() {
		const { rows } = await this.claims.query(
			"SELECT job, fence, args FROM pawl.claim($1, $2, kinds => '{noop}')",
			[this.id, BATCH]);
		return rows;
	}

	async settle(rows) {
		const answers = await this.settles.query(
			"SELECT count(*)::int AS won FROM pawl.complete_many($1, $2) WHERE answer = 'won'",
			[rows.map((row) => row.job), rows.map((row) => row.fence)]);
		if (answers.rows[0].won !== rows.length) {
			throw new Error(`${rows.length - answers.rows[0].won} claims were not settled`);
		}
	}

	// Claims the next batch while the last one is settled.
	async loop() {
		let settled = Promise.resolve();
		while (!this.stopping) {
			const rows = await this.claim();
			for (const row of rows) {
				this.handle(row.args);
			}
			await settled;
			if (rows.length > 0) {
				settled = this.settle(rows);
			} else {
				await this.sleep();
			}
		}
		await settled;
	}

	sleep() {
		return new Promise((resolve) => {
			this.wake = resolve;
			setTimeout(resolve, POLL_MS);
		});
	}

	async stop() {
		this.stopping = true;
		this.wake?.();
		await this.running;
		clearInterval(this.beat);
		await this.keeper.query("SELECT pawl.worker_stop($1)", [this.id]);
		await Promise.all([this.claims.end(), this.settles.end(), this.keeper.end()]);
	}
}

const KEYED = "SELECT count(*) FROM pawl.push_many('noop', $1::jsonb[], unique_keys => $2)";
const KEYLESS = "SELECT count(*) FROM pawl.push_many('noop', $1::jsonb[])";

const pawl = {
	lanes: Number(process.env.PAWL_LANES ?? 2),

	async pusher(connections) {
		const pool = new pg.Pool({ max: connections });
		return {
			close: () => pool.end(),
			one: (args) => pool.query("SELECT pawl.push('noop', $1)", [args]),
			many: (jobs, key) => pool.query(key ? KEYED : KEYLESS,
				[jobs.map((job) => JSON.stringify(job)), ...(key ? [jobs.map(key)] : [])]),
		};
	},

	work: (handle) => new Worker().start(handle),
};

await main(pawl);

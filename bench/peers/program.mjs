// program.mjs - what the programs of all Node peers have in common
//
//	node PEER.mjs setup [CONFIGURATION]		makes the schema and the queue
//	node PEER.mjs push [CONFIGURATION]		takes the commands of bench/pusher.c
//	node PEER.mjs until N [CONFIGURATION]	a worker: until N jobs were handled and settled
//	node PEER.mjs STEP FILE [CONFIGURATION]	a worker: until stdin ends; FILE or - for none
//
// Prints the lines of JSON that bench/pusher.c and bench/noop.c print. CONFIGURATION is
// "best" (unless told) or "default". A peer is an object with the functions setup(),
// pusher(connections) and work(handle), each given the configuration as well.

import { createInterface } from "node:readline";
import { readFileSync, writeFileSync } from "node:fs";

const CHUNK = 1000;
const PAD = "x".repeat(79);

const now = () => process.hrtime.bigint();
const since = (start) => Number(now() - start) / 1e9;
const say = (object) => process.stdout.write(JSON.stringify(object) + "\n");
const describe = (n) => ({ n, pad: PAD });

// Chunks of the numbers first … first + n - 1.
function* chunks(n, first) {
	for (let done = 0; done < n; done += CHUNK) {
		const length = Math.min(CHUNK, n - done);
		yield Array.from({ length }, (_, i) => describe(first + done + i));
	}
}

async function push(pusher, n, first, keyed) {
	const start = now();
	const left = chunks(n, first);
	const lane = async () => {
		for (const jobs of left) {
			await pusher.many(jobs, keyed ? (job) => `key ${job.n}` : null);
		}
	};
	await Promise.all(Array.from({ length: pusher.lanes }, lane));
	return { jobs: n, seconds: since(start) };
}

async function single(pusher, seconds, connections) {
	const start = now();
	let jobs = 0;
	const lane = async () => {
		while (since(start) < seconds) {
			await pusher.one(describe(jobs++));
		}
	};
	await Promise.all(Array.from({ length: connections }, lane));
	return { jobs, seconds: since(start) };
}

// Waits the rest of a millisecond or so without giving the thread away.
async function until(time) {
	const rest = Number(time - now()) / 1e6;
	if (rest > 2) {
		await new Promise((resolve) => setTimeout(resolve, rest - 1.5));
	}
	while (now() < time) {
		await new Promise(setImmediate);
	}
}

async function pace(pusher, rate, seconds, file) {
	const start = now();
	const jobs = rate * seconds;
	const lines = [];
	for (let n = 0; n < jobs; n++) {
		await until(start + BigInt(Math.round(((n + Math.random()) * 1e9) / rate)));
		await pusher.one(describe(n));
		lines.push(`${n} ${now()}\n`);
	}
	writeFileSync(file, lines.join(""));
	return { jobs, seconds: since(start) };
}

async function obey(peer, line, configuration) {
	const [name, a, b, file] = line.split(" ");
	const connections = name === "single" ? Number(b) : peer.lanes ?? 1;
	const pusher = await peer.pusher(connections, configuration);
	pusher.lanes = connections;
	try {
		switch (name) {
			case "push": return await push(pusher, Number(a), Number(b), false);
			case "push_keyed": return await push(pusher, Number(a), Number(b), true);
			case "single": return await single(pusher, Number(a), connections);
			case "pace": return await pace(pusher, Number(a), Number(b), file);
		}
		throw new Error(`unknown command: ${line}`);
	} finally {
		await pusher.close();
	}
}

async function takeCommands(peer, configuration) {
	for await (const line of createInterface({ input: process.stdin })) {
		say(await obey(peer, line, configuration));
	}
}

// The most memory that this process has had; rusage would count its parent's too.
function peakKib() {
	return Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
}

async function work(peer, { until, step, file }, configuration) {
	const start = now();
	const stamps = file ? [] : null;
	let handled = 0;
	let sum = 0;
	let over;
	const ended = new Promise((resolve) => { over = resolve; });
	const handle = (args) => {
		if (stamps) {
			stamps.push(`${args.n} ${now()}\n`);
		}
		sum += args.n;
		handled++;
		if (step && handled % step === 0) {
			say({ handled, time_ns: Number(now()) });
		}
		if (handled === until) {
			over();
		}
	};
	if (step) {
		process.stdin.on("end", over).resume();
	}
	const worker = await peer.work(handle, configuration);
	await ended;
	await worker.stop();
	const seconds = since(start);
	say({ handled, sum, seconds, peak_kib: peakKib() });
	if (stamps) {
		writeFileSync(file, stamps.join(""));
	}
}

export async function main(peer) {
	const [role, a, b] = process.argv.slice(2);
	if (role === "setup") {
		await peer.setup(a ?? "best");
	} else if (role === "push") {
		await takeCommands(peer, a ?? "best");
	} else if (role === "until") {
		await work(peer, { until: Number(a) }, b ?? "best");
	} else {
		const file = a === "-" ? undefined : a;
		await work(peer, { step: Number(role), file }, b ?? "best");
	}
	process.exit(0);
}

// A loop around MQTT.js that connects CLIENTS clients and keeps them: what a load script with that library looks like.
// Prints one JSON object: how long it took from `connect()` to the event `connect`, for each client.
//
//     node connect.mjs FOLDER_OF_NODE_MODULES URL CLIENTS RATE HOLD_MS      RATE 0: 64 at a time, as fast as they go
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const [folder, url, clients, rate, holdMs] = process.argv.slice(2).map((text, i) => (i < 2 ? text : Number(text)));
const mqtt = createRequire(`${folder}/`)("mqtt");
const password = readFileSync(process.env.PASSWORD_FILE, "utf8");
const AT_A_TIME = 64;
const kept = [];
const millis = [];
let failed = 0;

function connectOne(n) {
    return new Promise((done) => {
        const start = performance.now();
        const client = mqtt.connect(url, {
            clientId: `mqttjs-${n}`, username: `user-${n}`, password, protocolVersion: 4, reconnectPeriod: 0, keepalive: 60,
        });
        kept.push(client);
        client.once("connect", () => { millis.push(performance.now() - start); done(); });
        client.once("error", () => { failed++; done(); });
    });
}

async function paced() {
    const start = performance.now();
    const all = [];
    for (let n = 0; n < clients; n++) {
        const wait = start + (n * 1000) / rate - performance.now();
        if (wait > 0) await sleep(wait);
        all.push(connectOne(n));
    }
    await Promise.all(all);
}

async function asFastAsTheyGo() {
    let next = 0;
    const slot = async () => { while (next < clients) await connectOne(next++); };
    await Promise.all(Array.from({ length: AT_A_TIME }, slot));
}

await sleep(300); // so that memory without connections can be read
await (rate ? paced() : asFastAsTheyGo());
await sleep(holdMs);
millis.sort((a, b) => a - b);
const at = (share) => millis[Math.max(0, Math.ceil(share * millis.length) - 1)];
const mean = millis.reduce((sum, x) => sum + x, 0) / millis.length;
console.log(JSON.stringify({ connected: millis.length, failed, p50_ms: at(0.5), p99_ms: at(0.99), mean_ms: mean }));
process.exit(0);

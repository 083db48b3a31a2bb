#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// The Node.js peer: fastify, sharp and onnxruntime-node, a worker process per core. Images come as the body of
// POST /v1/infer. usage: server.mjs --port N --model FILE --kind yolox|yolov8 [--threshold F] [--iou F]

import cluster from "node:cluster";
import { createRequire } from "node:module";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import fastify from "fastify";
import sharp from "sharp";

const { values: options } = parseArgs({
    options: {
        port: { type: "string" },
        model: { type: "string" },
        kind: { type: "string" },
        threshold: { type: "string", default: "0.25" },
        iou: { type: "string", default: "0.45" },
    },
});
const threshold = Number(options.threshold);
const maxIou = Number(options.iou);
const bodyLimit = 64 << 20;

// YOLOX: BGR as it is, top left. YOLOv8: RGB / 255, centred.
const kinds = {
    yolox: { side: 416, input: "images", centred: false, scale: 1, order: [2, 1, 0] },
    yolov8: { side: 640, input: "images", centred: true, scale: 1 / 255, order: [0, 1, 2] },
};

function place(kind, width, height) {
    const ratio = Math.min(kind.side / width, kind.side / height);
    const w = Math.round(width * ratio);
    const h = Math.round(height * ratio);
    const left = kind.centred ? Math.round((kind.side - w) / 2 - 0.1) : 0;
    const top = kind.centred ? Math.round((kind.side - h) / 2 - 0.1) : 0;
    return { ratio, w, h, left, top };
}

function toTensor(kind, at, pixels, channels, input) {
    const { side, scale, order } = kind;
    const plane = side * side;
    input.fill(114 * scale);
    for (let c = 0; c < 3; c++) {
        const from = channels === 1 ? 0 : order[c];
        for (let y = 0; y < at.h; y++) {
            let out = c * plane + (y + at.top) * side + at.left;
            let source = y * at.w * channels + from;
            for (let x = 0; x < at.w; x++, source += channels) input[out++] = pixels[source] * scale;
        }
    }
}

function yolox(data) {
    const found = [];
    let row = 0;
    for (const stride of [8, 16, 32]) {
        const cells = 416 / stride;
        for (let gy = 0; gy < cells; gy++) {
            for (let gx = 0; gx < cells; gx++, row += 85) {
                const objectness = data[row + 4];
                if (objectness < threshold) continue;
                let best = 5;
                for (let k = 6; k < 85; k++) if (data[row + k] > data[row + best]) best = k;
                const score = objectness * data[row + best];
                if (score < threshold) continue;
                const w = Math.exp(data[row + 2]) * stride;
                const h = Math.exp(data[row + 3]) * stride;
                const x = (data[row] + gx) * stride - w / 2;
                const y = (data[row + 1] + gy) * stride - h / 2;
                found.push({ x1: x, y1: y, x2: x + w, y2: y + h, score, id: best - 5 });
            }
        }
    }
    return found;
}

function yolov8(data) {
    const count = data.length / 84;
    const found = [];
    for (let i = 0; i < count; i++) {
        let best = 4;
        let score = data[4 * count + i];
        for (let k = 5; k < 84; k++) {
            if (data[k * count + i] > score) {
                score = data[k * count + i];
                best = k;
            }
        }
        if (score < threshold) continue;
        const w = data[2 * count + i];
        const h = data[3 * count + i];
        const x = data[i] - w / 2;
        const y = data[count + i] - h / 2;
        found.push({ x1: x, y1: y, x2: x + w, y2: y + h, score, id: best - 4 });
    }
    return found;
}

function overlap(a, b) {
    const w = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
    const h = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
    if (w <= 0 || h <= 0) return 0;
    const both = w * h;
    return both / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both);
}

function suppress(found) {
    found.sort((a, b) => b.score - a.score);
    const kept = [];
    for (const box of found) if (!kept.some((k) => k.id === box.id && overlap(k, box) > maxIou)) kept.push(box);
    return kept;
}

function describe(box, at, width, height) {
    const x1 = Math.min(Math.max((box.x1 - at.left) / at.ratio, 0), width);
    const y1 = Math.min(Math.max((box.y1 - at.top) / at.ratio, 0), height);
    const x2 = Math.min(Math.max((box.x2 - at.left) / at.ratio, 0), width);
    const y2 = Math.min(Math.max((box.y2 - at.top) / at.ratio, 0), height);
    return { bbox: { x: x1, y: y1, w: x2 - x1, h: y2 - y1 }, class_id: box.id, score: box.score };
}

async function serve() {
    process.env.ORT_DISABLE_TELEMETRY = "1";
    const { InferenceSession, Tensor } = createRequire(new URL("../../../deps/peers/", import.meta.url))("onnxruntime-node");
    const kind = kinds[options.kind];
    const session = await InferenceSession.create(options.model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
    const free = []; // input arrays of requests that are done
    sharp.concurrency(1);

    async function infer(bytes) {
        const picture = sharp(bytes);
        const { width: storedWidth, height: storedHeight, orientation = 1 } = await picture.metadata();
        const [width, height] = orientation > 4 ? [storedHeight, storedWidth] : [storedWidth, storedHeight];
        const at = place(kind, width, height);
        const { data, info } = await picture.rotate().resize(at.w, at.h, { fit: "fill", kernel: "linear" }).removeAlpha().raw()
            .toBuffer({ resolveWithObject: true });
        const input = free.pop() ?? new Float32Array(3 * kind.side * kind.side);
        toTensor(kind, at, data, info.channels, input);
        const outputs = await session.run({ [kind.input]: new Tensor("float32", input, [1, 3, kind.side, kind.side]) });
        free.push(input);
        const raw = outputs[session.outputNames[0]].data;
        const kept = suppress(options.kind === "yolox" ? yolox(raw) : yolov8(raw));
        return { image: { width, height }, objects: kept.map((box) => describe(box, at, width, height)) };
    }

    await infer(await sharp({ create: { width: 64, height: 48, channels: 3, background: "#888" } }).jpeg().toBuffer());
    const app = fastify({ bodyLimit });
    app.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (request, body, done) => done(null, body));
    app.post("/v1/infer", async (request, reply) => {
        try {
            return await infer(request.body);
        } catch (error) {
            return reply.code(422).send({ error: { code: "bad_image", message: String(error.message) } });
        }
    });
    await app.listen({ port: Number(options.port), host: "127.0.0.1" });
}

if (cluster.isPrimary) {
    const workers = (availableParallelism ?? (() => cpus().length))();
    let listening = 0;
    cluster.on("listening", () => {
        if (++listening === workers) console.log("listening");
    });
    cluster.on("exit", () => process.exit(1));
    for (const signal of ["SIGTERM", "SIGINT"])
        process.on(signal, () => {
            cluster.removeAllListeners("exit");
            for (const worker of Object.values(cluster.workers)) worker.process.kill("SIGTERM");
            process.exit(0);
        });
    for (let i = 0; i < workers; i++) cluster.fork();
} else {
    process.on("SIGTERM", () => process.exit(0));
    await serve();
}

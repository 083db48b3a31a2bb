#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// Writes package-lock.json anew after a version in package.json was changed: scripts/lock.mjs
//
// Set-up uses files of these packages and runs none of them, so the lock lists the packages of package.json with their
// hashes and leaves out what they themselves depend on: hundreds of packages, some of which the npm registry does not
// have at all. (npm's own `overrides` would do the same, but Debian 12's npm 9.2 fails on them.) Download addresses are
// left out too: npm finds a package by its name wherever it is set up to look.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const root = new URL("..", import.meta.url);
const { name, version, license, dependencies } = JSON.parse(readFileSync(new URL("package.json", root)));

function locked([dependency, exact]) {
    if (!/^\d+\.\d+\.\d+$/.test(exact)) throw new Error(`package.json: ${dependency}: expected an exact version, got "${exact}"`);
    const view = ["view", "--json", `${dependency}@${exact}`, "version", "license", "dist.integrity"];
    const found = JSON.parse(execFileSync("npm", view, { stdio: ["ignore", "pipe", "ignore"] }));
    if (!found["dist.integrity"]) throw new Error(`${dependency}@${exact}: the registry gives no hash`);
    return [`node_modules/${dependency}`, { version: found.version, integrity: found["dist.integrity"], license: found.license }];
}

const packages = Object.fromEntries([["", { name, version, license, dependencies }], ...Object.entries(dependencies).map(locked)]);
const lock = { name, version, lockfileVersion: 3, requires: true, packages };
writeFileSync(new URL("package-lock.json", root), `${JSON.stringify(lock, null, 2)}\n`);

/**
 * SCIMMY with its own routers over SQLite, for bench/peers.py: two processes behind one port.
 *
 *     SCIM_PORT=8000 SCIM_TOKEN=secret SCIM_DATABASE=/tmp/scimmy.db node scimmy_server.mjs
 *
 * SCIMMY leaves storage to whoever uses it. Here a resource is one row: the document, and the name that look-ups ask
 * for under an index. Pages are cut by the database, and a filter other than `name eq "..."` walks through all rows.
 */
import cluster from "node:cluster";
import { randomUUID, timingSafeEqual } from "node:crypto";
import Database from "better-sqlite3";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const PROCESSES = 2;
const { SCIM_PORT, SCIM_TOKEN, SCIM_DATABASE } = process.env;

function open() {
    const db = new Database(SCIM_DATABASE, { timeout: 20000 });
    // As durable as scimlite is.
    db.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000");
    return db;
}

function createTables(db) {
    for (const table of ["users", "groups"]) {
        const unique = table === "users" ? "UNIQUE" : "";
        db.exec(`CREATE TABLE ${table} (number INTEGER PRIMARY KEY, id TEXT UNIQUE, document TEXT,
            name TEXT COLLATE NOCASE ${unique}); CREATE INDEX ${table}_name ON ${table} (name)`);
    }
}

/** The transaction of one request that writes. Requests of this process take turns, for they share a connection. */
class Change {
    static #last = Promise.resolve();
    #db;
    #leave = null;

    constructor(db) {
        this.#db = db;
    }

    /** What is read from here on is what will be changed: without that, members added side by side get lost. */
    async begin() {
        const before = Change.#last;
        let leave;
        Change.#last = new Promise((resolve) => (leave = resolve));
        await before;
        try {
            this.#db.exec("BEGIN IMMEDIATE");
        } catch (error) {
            leave();
            throw error;
        }
        this.#leave = leave;
        return this;
    }

    end(statement) {
        if (this.#leave) {
            this.#db.exec(statement);
            this.#leave();
            this.#leave = null;
        }
    }
}

/** The value of a filter that is `name eq "value"` and nothing more. */
function nameIn(filter, name) {
    const [[key, expression] = []] = filter?.length === 1 ? Object.entries(filter[0]) : [];
    const plain = filter?.length === 1 && Object.keys(filter[0]).length === 1 && Array.isArray(expression);
    return plain && key.toLowerCase() === name.toLowerCase() && expression[0] === "eq" ? expression[1] : undefined;
}

function notFound(id) {
    return new SCIMMY.Types.Error(404, null, `There is no resource ${id}`);
}

/** What SCIMMY calls to read resources. */
function reader(db, table, name) {
    const one = db.prepare(`SELECT document FROM ${table} WHERE id = ?`).pluck();
    const named = db.prepare(`SELECT document FROM ${table} WHERE name = ?`).pluck();
    const page = db.prepare(`SELECT document FROM ${table} ORDER BY number LIMIT ? OFFSET ?`).pluck();
    const total = db.prepare(`SELECT count(*) FROM ${table}`).pluck();
    return (resource) => {
        if (resource.id) {
            const found = one.get(resource.id);
            if (found === undefined) throw notFound(resource.id);
            return JSON.parse(found);
        }
        const wanted = nameIn(resource.filter, name);
        if (wanted !== undefined) return named.all(wanted).map((each) => JSON.parse(each));
        const { startIndex = 1, count = 20, sortBy } = resource.constraints ?? {};
        if (resource.filter || sortBy) {
            const everything = page.all(-1, 0).map((each) => JSON.parse(each));
            return resource.filter ? resource.filter.match(everything) : everything;
        }
        resource.constraints = { startIndex, count, totalResults: total.get() };
        return page.all(count, startIndex - 1).map((each) => JSON.parse(each));
    };
}

/** What SCIMMY calls to create or replace a resource; the transaction ends here. */
function writer(db, table, name) {
    const created = db.prepare(`SELECT json_extract(document, '$.meta.created') FROM ${table} WHERE id = ?`).pluck();
    const insert = db.prepare(`INSERT INTO ${table} (document, name, id) VALUES (?, ?, ?)`);
    const update = db.prepare(`UPDATE ${table} SET document = ?, name = ? WHERE id = ?`);
    return (resource, instance, change) => {
        const now = new Date().toISOString();
        const since = resource.id ? created.get(resource.id) : now;
        if (since === undefined) throw notFound(resource.id);
        const id = resource.id ?? randomUUID();
        const document = { ...instance, id, meta: { created: since, lastModified: now } };
        try {
            (resource.id ? update : insert).run(JSON.stringify(document), instance[name], id);
        } catch (error) {
            if (error.code !== "SQLITE_CONSTRAINT_UNIQUE") throw error;
            throw new SCIMMY.Types.Error(409, "uniqueness", `There is a ${name} ${instance[name]} already`);
        }
        change.end("COMMIT");
        return document;
    };
}

function remover(db, table) {
    const remove = db.prepare(`DELETE FROM ${table} WHERE id = ?`);
    return (resource, change) => {
        if (!remove.run(resource.id).changes) throw notFound(resource.id);
        change.end("COMMIT");
    };
}

function declare(db) {
    SCIMMY.Schemas.User.extend(SCIMMY.Schemas.EnterpriseUser);
    for (const [type, table, name] of [
        [SCIMMY.Resources.User, "users", "userName"],
        [SCIMMY.Resources.Group, "groups", "displayName"],
    ]) {
        SCIMMY.Resources.declare(type)
            .ingress(writer(db, table, name))
            .egress(reader(db, table, name))
            .degress(remover(db, table));
    }
}

function authenticate(request) {
    const given = Buffer.from(request.header("Authorization") ?? "");
    const expected = Buffer.from(`Bearer ${SCIM_TOKEN}`);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Error("The token is wrong");
}

function serve() {
    const db = open();
    declare(db);
    const app = express();
    app.get("/healthz", (request, response) => response.send("ok"));
    const context = async (request) => {
        if (request.method === "GET") return undefined;
        const change = await new Change(db).begin();
        // Nothing is left of a request that failed on its way.
        request.res.once("close", () => change.end("ROLLBACK"));
        return change;
    };
    app.use("/scim/v2", new SCIMMYRouters({ type: "bearer", handler: authenticate, context }));
    app.listen(Number(SCIM_PORT), "127.0.0.1");
}

if (cluster.isPrimary) {
    createTables(open());
    for (let started = 0; started < PROCESSES; started += 1) cluster.fork();
    process.on("SIGTERM", () => {
        for (const worker of Object.values(cluster.workers)) worker.process.kill();
    });
    cluster.on("exit", () => Object.keys(cluster.workers).length || process.exit());
} else {
    serve();
}

#!/usr/bin/env python3
"""scimload: a small, strict SCIM 2.0 load generator (stdlib only, one thread, epoll).

    scimload.py http://127.0.0.1:8000/scim/v2 --token T --users 1000 --scenarios all \
        --conc 8 --duration 3 --repeats 3 --server-pid PID --ref http://127.0.0.1:9100/hello --out r.json

What it promises
  * raw keep-alive sockets, requests pre-built as bytes: about 40-60 us of client CPU per small request
    (printed as client_cpu_us per op, so that you can see when the client matters);
  * a response counts only when its status AND a field of its body are what they must be; everything else
    is an error, counted by cause, and never as throughput or as a latency;
  * server_cpu_us per op: user+system time of --server-pid (repeatable) and all their descendants, read from
    /proc. On a noisy shared machine this is the steadier number;
  * --ref URL: the reference ("Flask hello") is measured for --ref-secs before and after every measurement,
    and the ratio rps / ref_rps is printed with it; with --ref-pid also the ratio of CPU per operation.

Scenarios (each works on a directory holding --users N users, seeded here through POST /Users)
  seed           fill the directory up to N (reports the rate of the first and the last tenth: O(n) shows)
  get            GET /Users/{id}
  lookup         GET /Users?filter=userName eq "..."          (a hit)
  lookup-miss    the same for a user that is not there          (Entra's first question for each new user)
  lookup-ext     GET /Users?filter=externalId eq "..."
  lookup-email   GET /Users?filter=emails[type eq "work"].value eq "..."
  patch          PATCH active + displayName in Entra's shape
  put            PUT of the whole user
  create/delete  POST /Users of new users; afterwards DELETE of those very users
  list           GET /Users?startIndex=i&count=100 over the whole directory, round and round
  list-deep      only the last page
  member-add / member-remove   PATCH one member into/out of a group that already holds M (--members 100,1000)
  member-get / member-get-excl GET /Groups/{id}, and with excludedAttributes=members
  group-lookup   GET /Groups?filter=displayName eq "..."&excludedAttributes=members, with that big group there
  entra-cycle    the whole initial cycle: --cycle-users users, --cycle-groups groups, --cycle-adds member adds
  hello          GET of BASE_URL itself (for limits)
Bounded: every measurement ends after --duration (plus what is in flight), --ops, or --cap seconds.
"""
import argparse, collections, itertools, json, os, random, re, select, socket, statistics, sys, time
from urllib.parse import quote, urlsplit

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GRP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCHOP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
TOTAL = re.compile(rb'"totalResults"\s*:\s*(\d+)')
CLEN = re.compile(rb'\r\ncontent-length:\s*(\d+)', re.I)
GIVEN = ["Ada", "Björn", "Chloé", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Inés", "João", "Katya", "Liam"]
FAMILY = ["Andersson", "Brown", "Castillo", "Dubois", "Eriksen", "Fischer", "García", "Hansen", "Ito", "Jensen"]
DEPT = ["Engineering", "Finance", "Sales", "Legal", "People & Culture", "Support"]


# ---------------------------------------------------------------- HTTP engine
class Conn:
    __slots__ = ("sock", "out", "buf", "t0", "gen", "head", "need", "chunked", "status", "fresh", "close", "meth",
                 "req", "retried", "chunks", "got")

    def __init__(self):
        self.sock = None
        self.gen = None


class Engine:
    def __init__(self, url, token=None, timeout=60.0, extra=()):
        u = urlsplit(url)
        self.addr = (u.hostname, u.port or 80)
        if not self.addr[0].startswith("127.") and self.addr[0] not in ("localhost", "::1"):
            sys.exit("scimload: only loopback addresses, by design")
        self.base = u.path.rstrip("/")
        h = ["Host: %s:%d" % self.addr, "Accept: application/scim+json", "User-Agent: scimload"]
        if token:
            h.append("Authorization: Bearer " + token)
        h.extend(extra)
        self.common = ("\r\n".join(h) + "\r\n").encode()
        self.timeout = timeout
        self.connects = 0

    def req(self, method, path, body=None):
        head = ("%s %s HTTP/1.1\r\n" % (method, self.base + path or "/")).encode() + self.common
        if body is None:
            return head + b"\r\n"
        if not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return head + b"Content-Type: application/scim+json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def _connect(self, c):
        s = socket.create_connection(self.addr, timeout=10)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setblocking(False)
        c.sock = s
        c.fresh = True
        self.connects += 1
        self.by_fd[s.fileno()] = c
        self.ep.register(s.fileno(), select.EPOLLIN)

    def _drop(self, c):
        if c.sock is not None:
            fd = c.sock.fileno()
            try:
                self.ep.unregister(fd)
            except Exception:
                pass
            self.by_fd.pop(fd, None)
            c.sock.close()
            c.sock = None

    def _start(self, c, req):
        c.req = req
        c.meth = req[:5]
        c.t0 = time.perf_counter_ns()
        c.buf = b""
        c.head = -1
        c.chunks = None
        c.close = False
        if c.sock is None:
            self._connect(c)
        self._send(c, req)

    def _send(self, c, data):
        try:
            n = c.sock.send(data)
        except BlockingIOError:
            n = 0
        except OSError:
            n = len(data)          # the read side sees the close and reconnects
        if n < len(data):
            c.out = data[n:]
            self.ep.modify(c.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        else:
            c.out = b""

    def _feed(self, c, data):
        """True when the response is complete; c.status and c.buf (the body) are then set."""
        if c.head < 0:
            c.buf = c.buf + data if c.buf else data
            i = c.buf.find(b"\r\n\r\n")
            if i < 0:
                return False
            head = c.buf[:i]
            c.status = int(head[9:12])
            low = head.lower()
            c.close = b"\r\nconnection: close" in low
            c.chunked = b"\r\ntransfer-encoding: chunked" in low
            m = CLEN.search(head)
            c.need = int(m.group(1)) if m else (0 if c.status in (204, 304) else (-1 if not c.chunked else -2))
            c.head = i + 4
            rest = c.buf[i + 4:]
            c.chunks = [rest]
            c.got = len(rest)
        else:
            c.chunks.append(data)
            c.got += len(data)
        if c.chunked:
            if not (data.endswith(b"\r\n\r\n") or data.endswith(b"0\r\n\r\n") or c.got < 5):
                return False
            raw = b"".join(c.chunks)
            out, i = [], 0
            while True:
                j = raw.find(b"\r\n", i)
                if j < 0:
                    return False
                n = int(raw[i:j].split(b";")[0], 16)
                if n == 0:
                    c.buf = b"".join(out)
                    return True
                if len(raw) < j + 2 + n + 2:
                    return False
                out.append(raw[j + 2:j + 2 + n])
                i = j + 2 + n + 2
        if c.need == -1:
            return False               # until close
        if c.got >= c.need:
            c.buf = c.chunks[0] if len(c.chunks) == 1 else b"".join(c.chunks)
            return True
        return False

    def run(self, make_script, conc, cap=120.0):
        """make_script(i) -> generator yielding request bytes, receiving (status, body, ns).
        status 0 is a failure of the connection, -1 a time-out."""
        self.ep = select.epoll()
        self.by_fd = {}
        conns = []
        live = 0
        for i in range(conc):
            c = Conn()
            c.gen = make_script(i)
            conns.append(c)
        end = time.monotonic() + cap
        for c in conns:
            try:
                r = next(c.gen)
            except StopIteration:
                c.gen = None
                continue
            live += 1
            c.retried = False
            self._start(c, r)

        def finish(c, status, body):
            nonlocal live
            ns = time.perf_counter_ns() - c.t0
            try:
                r = c.gen.send((status, body, ns))
            except StopIteration:
                c.gen = None
                live -= 1
                self._drop(c)
                return
            c.retried = False
            self._start(c, r)

        last_sweep = time.monotonic()
        while live:
            evs = self.ep.poll(0.5)
            now = time.monotonic()
            if now > end:
                break
            if now - last_sweep > 1.0:
                last_sweep = now
                lim = time.perf_counter_ns() - int(self.timeout * 1e9)
                for c in conns:
                    if c.gen is not None and c.sock is not None and c.t0 < lim:
                        self._drop(c)
                        finish(c, -1, b"")
            for fd, ev in evs:
                c = self.by_fd.get(fd)
                if c is None:
                    continue
                if ev & select.EPOLLOUT and c.out:
                    self.ep.modify(fd, select.EPOLLIN)
                    self._send(c, c.out)
                if not ev & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                    continue
                try:
                    data = c.sock.recv(262144)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if not data:
                    was_reused = not c.fresh
                    done = c.head >= 0 and c.need == -1
                    self._drop(c)
                    if done:
                        c.buf = b"".join(c.chunks)
                        finish(c, c.status, c.buf)
                    elif was_reused and c.head < 0 and not c.buf and not c.retried:
                        c.retried = True       # idle keep-alive closed by the server: resend once (clock goes on)
                        t0 = c.t0
                        try:
                            self._start(c, c.req)
                            c.t0 = t0
                        except OSError:
                            finish(c, 0, b"")
                    else:
                        finish(c, 0, b"")
                    continue
                if self._feed(c, data):
                    c.fresh = False
                    if c.close:
                        self._drop(c)
                    finish(c, c.status, c.buf)
        for c in conns:
            self._drop(c)
        self.ep.close()

    def one(self, method, path, body=None):
        res = []

        def script(_):
            res.append((yield self.req(method, path, body)))
        self.run(script, 1, cap=self.timeout)
        return res[0] if res else (-1, b"", 0)


# ---------------------------------------------------------------- measuring
def tree_cpu(pids):
    """user+system seconds of the given processes and all their descendants (ended children included)."""
    if not pids:
        return None
    kids, cpu = collections.defaultdict(list), {}
    tck = os.sysconf("SC_CLK_TCK")
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                with open("/proc/%s/stat" % d) as f:
                    p = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            kids[int(p[1])].append(int(d))
            cpu[int(d)] = sum(map(int, p[11:15])) / tck
    seen, todo, tot = set(), list(pids), 0.0
    while todo:
        p = todo.pop()
        if p in seen:
            continue
        seen.add(p)
        tot += cpu.get(p, 0.0)
        todo += kids.get(p, [])
    return tot


def rss_mb(pids):
    if not pids:
        return None
    kids, rss = collections.defaultdict(list), {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                with open("/proc/%s/stat" % d) as f:
                    p = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            kids[int(p[1])].append(int(d))
            rss[int(d)] = int(p[21]) * 4096 / 1e6
    seen, todo, tot = set(), list(pids), 0.0
    while todo:
        p = todo.pop()
        if p not in seen:
            seen.add(p)
            tot += rss.get(p, 0.0)
            todo += kids.get(p, [])
    return round(tot, 1)


def machine_busy():
    """seconds of CPU that the whole machine has used (all cores)."""
    f = list(map(int, open("/proc/stat").readline().split()[1:9]))
    return (sum(f) - f[3] - f[4]) / os.sysconf("SC_CLK_TCK")


def wait_quiet(limit, secs):
    """Wait at most secs until others use less than limit cores."""
    end = time.monotonic() + secs
    while time.monotonic() < end:
        b, t = machine_busy(), time.monotonic()
        time.sleep(0.5)
        if (machine_busy() - b) / (time.monotonic() - t) < limit:
            return True
    return False


def pct(v, q):
    return v[min(len(v) - 1, int(len(v) * q))] if v else None


class Stat:
    def __init__(self):
        self.lat, self.err, self.sample, self.items = [], collections.Counter(), {}, 0
        self.last = 0

    def ok(self, ns, items=0):
        self.lat.append(ns)
        self.items += items
        self.last = time.perf_counter()

    def bad(self, status, body, why=None):
        k = {0: "connection", -1: "timeout"}.get(status, str(status)) + (":" + why if why else "")
        self.err[k] += 1
        self.last = time.perf_counter()
        if k not in self.sample:
            self.sample[k] = body[:300].decode("utf-8", "replace")


class Load:
    def __init__(self, a):
        self.a = a
        self.eng = Engine(a.url, a.token, a.timeout)
        self.ref = Engine(a.ref, None, 10) if a.ref else None
        self.run_id = a.run_id or "%x" % (int(time.time()) & 0xFFFFFF)
        self.ids, self.results, self.refs, self.ref_cpus = [], [], [], []
        self.notes = {}
        self.fresh = itertools.count()
        self.rng = random.Random(42)
        if a.state and os.path.exists(a.state):
            st = json.load(open(a.state))
            if st.get("url") == a.url:
                self.ids = st["ids"]

    # -- bodies
    def name(self, i):
        return "u%07d@bench.example" % i

    def user(self, key, uname, ext, email=None):
        g, f = GIVEN[key % len(GIVEN)], FAMILY[(key // 7) % len(FAMILY)]
        b = {"schemas": [CORE, ENT], "externalId": ext, "userName": uname, "active": True,
             "displayName": "%s %s" % (g, f), "title": "Engineer %d" % (key % 9),
             "emails": [{"primary": True, "type": "work", "value": email or uname}],
             "meta": {"resourceType": "User"},
             "name": {"formatted": "%s %s" % (g, f), "familyName": f, "givenName": g},
             "phoneNumbers": [{"type": "work", "value": "+1 555 01%05d" % (key % 100000)},
                              {"type": "mobile", "value": "+1 555 02%05d" % (key % 100000)}],
             "addresses": [{"type": "work", "formatted": "%d Main Street" % (key % 900), "locality": "Redmond",
                            "region": "WA", "postalCode": "98052", "country": "US"}],
             "preferredLanguage": "en-US",
             ENT: {"employeeNumber": "E%07d" % key, "department": DEPT[key % len(DEPT)], "costCenter": "CC%d" % (key % 40)}}
        for k in self.a.omit:
            b.pop(k, None)
            if k == ENT:
                b["schemas"] = [CORE]
        return b

    def seeduser(self, i):
        return self.user(i, self.name(i), "ext-%07d" % i)

    # -- measuring one scenario
    def ref_rps(self):
        if not self.ref:
            return None
        st = Stat()
        stop = time.perf_counter() + self.a.ref_secs
        r = self.ref.req("GET", "")

        def script(_):
            while time.perf_counter() < stop:
                s, b, ns = yield r
                st.ok(ns) if s == 200 else st.bad(s, b)
        t, c = time.perf_counter(), tree_cpu(self.a.ref_pid)
        self.ref.run(script, self.a.conc, cap=self.a.ref_secs + 5)
        v = len(st.lat) / (st.last - t) if st.lat else 0
        if c is not None and st.lat:
            self.ref_cpus.append((tree_cpu(self.a.ref_pid) - c) / len(st.lat) * 1e6)
        self.refs.append(round(v))
        return v

    def note_ref_cpu(self, r):
        """The reference's CPU per operation just before and after, and how many times that r took."""
        if len(self.ref_cpus) >= 2 and "server_cpu_us" in r:
            r["ref_cpu_us"] = round(sum(self.ref_cpus[-2:]) / 2)
            r["cpu_ratio"] = round(r["server_cpu_us"] / r["ref_cpu_us"], 2) if r["ref_cpu_us"] else None

    def measure(self, scenario, make_script, stats, conc=None, extra=None, cap=None, quiet=False):
        """stats: dict kind -> Stat that the scripts fill."""
        if self.a.quiet_wait:
            wait_quiet(self.a.quiet_cores, self.a.quiet_wait)
        r0 = self.ref_rps()
        c0, k0, w0, b0 = tree_cpu(self.a.server_pid), time.process_time(), time.perf_counter(), machine_busy()
        n0 = self.eng.connects
        self.eng.run(make_script, conc or self.a.conc, cap or self.a.cap)
        k1, w1 = time.process_time(), max([s.last for s in stats.values()] + [w0 + 1e-9])
        c1, b1, wall = tree_cpu(self.a.server_pid), machine_busy(), time.perf_counter() - w0
        others = max(0.0, (b1 - b0 - (k1 - k0) - (c1 - c0 if c0 is not None else 0)) / wall)
        r1 = self.ref_rps()
        tot = sum(len(s.lat) for s in stats.values())
        out = []
        for kind, s in stats.items():
            lat = sorted(s.lat)
            secs = w1 - w0
            r = {"scenario": scenario if kind in ("", scenario) else scenario + "/" + kind, "n": len(self.ids),
                 "conc": conc or self.a.conc, "ok": len(lat), "errors": sum(s.err.values()), "secs": round(secs, 3),
                 "rps": round(len(lat) / secs, 2)}
            if lat:
                r.update(p50=round(pct(lat, .5) / 1e6, 3), p95=round(pct(lat, .95) / 1e6, 3),
                         p99=round(pct(lat, .99) / 1e6, 3), max=round(lat[-1] / 1e6, 3))
            if s.items:
                r["items_per_s"] = round(s.items / secs, 1)
            if s.err:
                r["error_kinds"], r["error_samples"] = dict(s.err), s.sample
            if c0 is not None and tot:
                r["server_cpu_us"] = round((c1 - c0) / tot * 1e6)
                r["rss_mb"] = rss_mb(self.a.server_pid)
            if tot:
                r["client_cpu_us"] = round((k1 - k0) / tot * 1e6)
            r["connects"] = self.eng.connects - n0
            if c0 is not None:
                r["others_cores"] = round(others, 2)      # what other processes took of this machine meanwhile
                r["noisy"] = others > self.a.quiet_cores + 0.2
            if r0 is not None:
                r["ref_rps"] = round((r0 + r1) / 2, 1)
                r["ratio"] = round(r["rps"] / r["ref_rps"], 4) if r["ref_rps"] else None
            self.note_ref_cpu(r)
            r.update(extra or {})
            out.append(r)
            self.results.append(r)
            if not quiet:
                print("%-22s n=%-6d c=%-2d %s ok=%-6d err=%-4d %9.1f/s p50=%s p95=%s p99=%s ms  cpu=%s us/op cli=%s ratio=%s cpu-ratio=%s others=%s%s %s" % (
                    r["scenario"], r["n"], r["conc"], ("M=%-6s" % r["m"]) if "m" in r else "", r["ok"], r["errors"], r["rps"],
                    r.get("p50"), r.get("p95"), r.get("p99"), r.get("server_cpu_us"), r.get("client_cpu_us"), r.get("ratio"), r.get("cpu_ratio"), r.get("others_cores"),
                    (" items/s=%s" % r["items_per_s"]) if "items_per_s" in r else "",
                    ("ERR " + json.dumps(r["error_samples"], ensure_ascii=False)[:240]) if s.err else ""), file=sys.stderr, flush=True)
        return out[0] if len(out) == 1 else out

    def loop(self, scenario, items, check, conc=None, extra=None, duration=None, ops=None, cap=None):
        """items: iterator of (request, tag). check(status, body, tag) -> None, or why not, or ('ok', count)."""
        a = self.a
        st = Stat()
        it = iter(items)
        dur = a.duration if duration is None else duration
        box = {"left": ops or a.ops or 1 << 60}
        lim = [None]

        def script(_):
            if lim[0] is None:
                lim[0] = time.perf_counter() + dur
            bad_run = 0
            while time.perf_counter() < lim[0] and box["left"] > 0:
                box["left"] -= 1
                try:
                    r, tag = next(it)
                except StopIteration:
                    return
                s, b, ns = yield r
                why = check(s, b, tag)
                if why is None:
                    st.ok(ns)
                    bad_run = 0
                elif type(why) is tuple:
                    st.ok(ns, why[1])
                    bad_run = 0
                else:
                    st.bad(s, b, why or None)
                    bad_run += 1
                    if bad_run >= 50:          # broken: no need to hammer it
                        return
        return self.measure(scenario, script, {scenario: st}, conc, extra, cap)

    # -- scenarios
    def hello(self):
        r = self.eng.req("GET", "")
        return self.loop("hello", itertools.repeat((r, None)), lambda s, b, t: None if s == 200 and b else "")

    def seed(self, n):
        have = len(self.ids)
        if have >= n:
            return
        nxt = itertools.count(have)
        got = {}
        marks = []
        t_end = time.perf_counter() + self.a.seed_secs
        t00 = None
        st = Stat()

        def script(_):
            nonlocal t00
            t00 = t00 or time.perf_counter()
            while time.perf_counter() < t_end:
                i = next(nxt)
                if i >= n or st.err.total() > 100:
                    return
                s, b, ns = yield self.eng.req("POST", "/Users", self.seeduser(i))
                if s == 201:
                    try:
                        d = json.loads(b)
                        assert d["userName"] == self.name(i)
                        got[i] = d["id"]
                        st.ok(ns)
                        marks.append(time.perf_counter() - t00)
                    except Exception as e:
                        st.bad(s, b, type(e).__name__)
                elif s == 409:                       # left from an earlier run: take its id
                    s, b, ns = yield self.eng.req("GET", "/Users?filter=" + quote('userName eq "%s"' % self.name(i)))
                    try:
                        got[i] = json.loads(b)["Resources"][0]["id"]
                    except Exception:
                        st.bad(s, b, "409")
                else:
                    st.bad(s, b)
        self.measure("seed", script, {"seed": st}, cap=self.a.seed_secs + 60)
        i = have
        while i in got:
            self.ids.append(got[i])
            i += 1
        r = self.results[-1]
        r["n"] = len(self.ids)
        if len(marks) >= 100:
            k = max(10, len(marks) // 10)
            r["first_tenth_rps"] = round(k / (marks[k - 1] - 0), 1)
            r["last_tenth_rps"] = round(k / (marks[-1] - marks[-k - 1] if len(marks) > k else marks[-1]), 1)
            print("   seed: first tenth %.0f/s, last tenth %.0f/s, now n=%d" % (
                r["first_tenth_rps"], r["last_tenth_rps"], len(self.ids)), file=sys.stderr, flush=True)
        if self.a.state:
            json.dump({"url": self.a.url, "ids": self.ids}, open(self.a.state, "w"))

    def rand_users(self):
        n = len(self.ids)
        while True:
            yield self.rng.randrange(n)

    def get(self):
        e = self.eng
        return self.loop("get", ((e.req("GET", "/Users/" + self.ids[i]), self.name(i).encode()) for i in self.rand_users()),
                         lambda s, b, t: None if s == 200 and t in b else ("body" if s == 200 else ""))

    def _filter(self, scenario, path, flt, want=1, extra=""):
        e = self.eng

        def check(s, b, i):
            if s != 200:
                return ""
            m = TOTAL.search(b)
            if not m or int(m.group(1)) != want:
                return "totalResults=" + (m.group(1).decode() if m else "?")
            if want and self.name(i).encode() not in b:
                return "body"
        return self.loop(scenario, ((e.req("GET", path + "?filter=" + quote(flt(i)) + extra), i) for i in self.rand_users()), check)

    def lookup(self):
        return self._filter("lookup", "/Users", lambda i: 'userName eq "%s"' % self.name(i))

    def lookup_miss(self):
        return self._filter("lookup-miss", "/Users", lambda i: 'userName eq "nobody%07d@bench.example"' % i, 0)

    def lookup_ext(self):
        return self._filter("lookup-ext", "/Users", lambda i: 'externalId eq "ext-%07d"' % i)

    def lookup_email(self):
        return self._filter("lookup-email", "/Users", lambda i: 'emails[type eq "work"].value eq "%s"' % self.name(i))

    def patch(self):
        e, cnt, done = self.eng, itertools.count(), {}

        def items():
            for i in self.rand_users():
                dn = "Renamed %s %d" % (self.run_id, next(cnt))
                yield e.req("PATCH", "/Users/" + self.ids[i], {"schemas": [PATCHOP], "Operations": [
                    {"op": "Replace", "path": self.a.patch_path, "value": dn},
                    {"op": "Replace", "path": "active", "value": True}]}), (i, dn)

        def check(s, b, t):
            if s == 204 or (s == 200 and t[1].encode() in b):
                done[t[0]] = t[1]
                return None
            return "body" if s == 200 else ""
        r = self.loop("patch", items(), check)
        bad = 0
        for i in list(done)[-20:]:
            s, b, _ = e.one("GET", "/Users/" + self.ids[i])
            bad += not (s == 200 and b"Renamed " + self.run_id.encode() in b)
        r["postcheck_bad"] = bad
        return r

    def put(self):
        e = self.eng

        def items():
            for i in self.rand_users():
                yield e.req("PUT", "/Users/" + self.ids[i], dict(self.seeduser(i), id=self.ids[i])), i
        return self.loop("put", items(), lambda s, b, i: None if s == 200 and self.name(i).encode() in b else "")

    def create(self):
        e, made = self.eng, []

        def items():
            for k in self.fresh:
                u = "new-%s-%06d@bench.example" % (self.run_id, k)
                yield e.req("POST", "/Users", self.user(k, u, "new-%s-%06d" % (self.run_id, k))), u

        def check(s, b, u):
            if s != 201:
                return ""
            d = json.loads(b)
            if d.get("userName") != u or not d.get("id"):
                return "body"
            made.append((d["id"], u))
        r = self.loop("create", items(), check)
        bad = 0
        for i, u in made[-20:]:
            s, b, _ = e.one("GET", "/Users/" + i)
            bad += not (s == 200 and u.encode() in b)
        r["postcheck_bad"] = bad
        if made and not self.a.no_delete:
            self.loop("delete", ((e.req("DELETE", "/Users/" + i), None) for i, _ in made),
                      lambda s, b, t: None if s == 204 else "", duration=max(3 * self.a.duration, 30))
        return r

    def list(self, deep=False):
        e, n, cnt = self.eng, len(self.ids), self.a.page
        starts = [max(1, n - cnt + 1)] if deep else list(range(1, n + 1, cnt))
        reqs = [(e.req("GET", "/Users?startIndex=%d&count=%d" % (s, cnt)), min(cnt, n - s + 1)) for s in starts]

        def check(s, b, want):
            if s != 200:
                return ""
            got = b.count(b'"userName"')
            return ("ok", got) if got == want else "got%d" % got
        if not deep and n <= 20000 and "list_pass" not in self.notes:
            ids, t = [], time.perf_counter()
            for r, _ in reqs:
                res = []

                def script(_):
                    res.append((yield r))
                e.run(script, 1)
                if not res or res[0][0] != 200 or time.perf_counter() - t > 60:
                    break
                ids += [x["id"] for x in json.loads(res[0][1]).get("Resources", [])]
            self.notes["list_pass"] = {"listed": len(ids), "unique": len(set(ids)), "seeded": n,
                                       "all_seeded_seen": set(self.ids) <= set(ids)}
            print("   list pass:", self.notes["list_pass"], file=sys.stderr, flush=True)
        return self.loop("list-deep" if deep else "list", itertools.cycle(reqs), check)

    def list_deep(self):
        return self.list(True)

    # groups
    def mk_group(self, m):
        e = self.eng
        name = "Group %s M%d-%d" % (self.run_id, m, next(self.fresh))
        members = [self.member_id(i) for i in range(m)]
        t = time.perf_counter()
        chunk = self.a.member_chunk
        s, b, _ = e.one("POST", "/Groups", {"schemas": [GRP], "displayName": name, "externalId": "g-" + name.replace(" ", "-"),
                                            "members": [{"value": v} for v in members[:chunk]]})
        if s != 201:
            print("   group M=%d: POST gave %s %r" % (m, s, b[:200]), file=sys.stderr)
            return None
        doc = json.loads(b)
        gid = doc["id"]
        s, b, _ = e.one("GET", "/Groups/" + gid)
        first = chunk if s == 200 and len(json.loads(b).get("members") or []) else 0     # some servers drop the members of a POST
        if not first:
            self.notes["group_post_drops_members"] = True
        for k in range(first, m, chunk):
            s, b, _ = e.one("PATCH", "/Groups/" + gid, {"schemas": [PATCHOP], "Operations": [
                {"op": "add", "path": "members", "value": [{"value": v} for v in members[k:k + chunk]]}]})
            if s not in (200, 204) or time.perf_counter() - t > self.a.seed_secs:
                print("   group M=%d: load stopped at %d: %s %r" % (m, k, s, b[:200]), file=sys.stderr)
                return None
        t = time.perf_counter() - t
        s, b, _ = e.one("GET", "/Groups/" + gid)
        got = len(json.loads(b).get("members", [])) if s == 200 else -1
        self.notes["group_load_M%d" % m] = {"secs": round(t, 2), "members_per_s": round(m / t), "members_seen": got}
        print("   group M=%d loaded in %.1f s (%d/s); GET shows %d members" % (m, t, m / t, got), file=sys.stderr, flush=True)
        return gid, name, got

    def member_id(self, i):
        if i < len(self.ids):
            return self.ids[i]
        return "00000000-0000-4000-8000-%012d" % i     # not a user; only with --fake-members

    def groups(self, which):
        e = self.eng
        for m in self.a.members:
            spare = min(len(self.ids) - m, 4000) if not self.a.fake_members else 4000
            if m > len(self.ids) and not self.a.fake_members:
                print("   M=%d skipped: only %d users" % (m, len(self.ids)), file=sys.stderr)
                continue
            g = self.mk_group(m)
            if not g:
                self.notes["group_load_M%d" % m] = "failed"
                continue
            gid, name, base = g
            path = "/Groups/" + gid
            pool = collections.deque(self.member_id(k) for k in range(m, m + spare))     # removed members go back into it

            def add_items(added):
                while pool:
                    v = pool.popleft()
                    yield e.req("PATCH", path + self.a.group_query, {"schemas": [PATCHOP], "Operations": [
                        {"op": "Add", "path": "members", "value": [{"value": v}]}]}), v

            def rem_items(added):
                for v in added:
                    op = {"op": "Remove", "path": 'members[value eq "%s"]' % v}
                    if self.a.remove_shape == "entra":
                        op = {"op": "Remove", "path": "members", "value": [{"value": v}]}
                    yield e.req("PATCH", path + self.a.group_query, {"schemas": [PATCHOP], "Operations": [op]}), v

            def get_check(s, b, t):
                if s != 200:
                    return ""
                n = b.count(b'"value"')
                return ("ok", n) if n >= base else "members=%d" % n

            def gl_check(s, b, t):
                mt = TOTAL.search(b)
                if s != 200 or not mt or mt.group(1) != b"1":
                    return "" if s != 200 else "totalResults"
                return "members-there" if b'"members"' in b else None
            q = "/Groups?excludedAttributes=members&filter=" + quote('displayName eq "%s"' % name)
            for rep in range(self.a.repeats):
                if "member-get" in which:
                    self.loop("member-get", itertools.repeat((e.req("GET", path), None)), get_check, extra={"m": m})
                    self.loop("member-get-excl", itertools.repeat((e.req("GET", path + "?excludedAttributes=members"), None)),
                              lambda s, b, t: None if s == 200 and b'"members"' not in b else ("members-there" if s == 200 else ""),
                              extra={"m": m})
                if "group-lookup" in which:
                    self.loop("group-lookup", itertools.repeat((e.req("GET", q), None)), gl_check, extra={"m": m})
                if "member-add" not in which or spare <= 0:
                    continue
                for c in sorted({1, self.a.conc} if rep == 0 else {self.a.conc}):
                    added = []

                    def add_check(s, b, v):
                        if s in (200, 204):
                            added.append(v)
                            return None
                        return ""
                    r = self.loop("member-add", add_items(added), add_check, conc=c, extra={"m": m})
                    s, b, _ = e.one("GET", path)
                    if s == 200:
                        seen = {x["value"] for x in json.loads(b).get("members") or []}
                        r["lost_updates"] = len([v for v in added if v not in seen])
                        if r["lost_updates"]:
                            print("   LOST UPDATES: %d of %d adds" % (r["lost_updates"], len(added)), file=sys.stderr)
                    if added:
                        def rem_check(s, b, v):
                            if s not in (200, 204):
                                return ""
                            pool.append(v)
                        self.loop("member-remove", rem_items(added), rem_check, conc=c, extra={"m": m}, duration=2 * self.a.duration)
            s, b, _ = e.one("DELETE", path)
            if s != 204:
                self.notes["group_delete_M%d" % m] = s

    def entra_cycle(self):
        a, e = self.a, self.eng
        N, G, K = a.cycle_users, a.cycle_groups, a.cycle_adds
        tagr = "%s-%d" % (self.run_id, next(self.fresh))
        kinds = ["user-lookup", "user-create", "group-lookup", "group-create", "member-add"]
        st = {k: Stat() for k in kinds}
        uids, gids = {}, {}
        ui, gi = iter(range(N)), iter(range(G))
        rng = random.Random(7)
        adds = [(g, u) for g in range(G) for u in rng.sample(range(N), min(K // G, N))]
        ai = iter(adds)
        bad = lambda: sum(s.err.total() for s in st.values()) > 200

        def users(_):
            for i in ui:
                if bad():
                    return
                u = "cyc-%s-%05d@bench.example" % (tagr, i)
                s, b, ns = yield e.req("GET", "/Users?filter=" + quote('userName eq "%s"' % u))
                m = TOTAL.search(b)
                st["user-lookup"].ok(ns) if s == 200 and m and m.group(1) == b"0" else st["user-lookup"].bad(s, b)
                s, b, ns = yield e.req("POST", "/Users", self.user(i, u, "cyc-%s-%05d" % (tagr, i)))
                if s == 201:
                    uids[i] = json.loads(b)["id"]
                    st["user-create"].ok(ns)
                else:
                    st["user-create"].bad(s, b)

        def grps(_):
            for g in gi:
                if bad():
                    return
                dn = "Cycle %s %d" % (tagr, g)
                s, b, ns = yield e.req("GET", "/Groups?excludedAttributes=members&filter=" + quote('displayName eq "%s"' % dn))
                m = TOTAL.search(b)
                st["group-lookup"].ok(ns) if s == 200 and m and m.group(1) == b"0" else st["group-lookup"].bad(s, b)
                s, b, ns = yield e.req("POST", "/Groups", {"schemas": [GRP], "displayName": dn, "externalId": dn.replace(" ", "-"),
                                                          "members": []})
                if s == 201:
                    gids[g] = json.loads(b)["id"]
                    st["group-create"].ok(ns)
                else:
                    st["group-create"].bad(s, b)

        def madd(_):
            for g, u in ai:
                if bad():
                    return
                if g in gids and u in uids:
                    s, b, ns = yield e.req("PATCH", "/Groups/" + gids[g] + a.group_query, {"schemas": [PATCHOP], "Operations": [
                        {"op": "Add", "path": "members", "value": [{"value": uids[u]}]}]})
                    st["member-add"].ok(ns) if s in (200, 204) else st["member-add"].bad(s, b)
        if a.quiet_wait:
            wait_quiet(a.quiet_cores, a.quiet_wait)
        r0 = self.ref_rps()
        c0, t0, k0 = tree_cpu(a.server_pid), time.perf_counter(), time.process_time()
        phases = {}
        for nm, sc in (("users", users), ("groups", grps), ("members", madd)):
            t = time.perf_counter()
            e.run(sc, a.conc, cap=a.cap * 3)
            phases[nm] = round(time.perf_counter() - t, 3)
        secs = time.perf_counter() - t0
        c1, k1 = tree_cpu(a.server_pid), time.process_time()
        r1 = self.ref_rps()
        ok = sum(len(s.lat) for s in st.values())
        lost = 0
        want = collections.defaultdict(set)
        for g, u in adds:
            want[g].add(uids.get(u))
        for g, gid in gids.items():
            s, b, _ = e.one("GET", "/Groups/" + gid)
            if s == 200:
                lost += len(want[g] - {x["value"] for x in json.loads(b).get("members", [])})
        lat = sorted(x for s in st.values() for x in s.lat)
        r = {"scenario": "entra-cycle", "n": len(self.ids), "conc": a.conc, "users": N, "groups": G, "adds": len(adds), "ok": ok,
             "errors": sum(s.err.total() for s in st.values()), "secs": round(secs, 3), "rps": round(ok / secs, 1), "phases": phases,
             "lost_members": lost, "p50": round(pct(lat, .5) / 1e6, 3) if lat else None, "p95": round(pct(lat, .95) / 1e6, 3) if lat else None,
             "p99": round(pct(lat, .99) / 1e6, 3) if lat else None,
             "kinds": {k: {"ok": len(s.lat), "errors": dict(s.err), "samples": s.sample,
                           "p50": round(pct(sorted(s.lat), .5) / 1e6, 3) if s.lat else None,
                           "p99": round(pct(sorted(s.lat), .99) / 1e6, 3) if s.lat else None} for k, s in st.items()}}
        if c0 is not None and ok:
            r["server_cpu_us"] = round((c1 - c0) / ok * 1e6)
        if ok:
            r["client_cpu_us"] = round((k1 - k0) / ok * 1e6)
        if r0:
            r["ref_rps"] = round((r0 + r1) / 2, 1)
            r["ratio"] = round(r["rps"] / r["ref_rps"], 4)
        self.note_ref_cpu(r)
        self.results.append(r)
        print("entra-cycle            n=%d users=%d groups=%d adds=%d: %.2f s %s  %.1f/s err=%d lost=%d p99=%s cpu=%s ratio=%s" % (
            r["n"], N, G, len(adds), secs, phases, r["rps"], r["errors"], lost, r["p99"], r.get("server_cpu_us"), r.get("ratio")),
            file=sys.stderr, flush=True)
        for k, s in st.items():
            if s.err:
                print("   %s errors %s %s" % (k, dict(s.err), s.sample), file=sys.stderr)
        if not a.no_delete:      # not measured
            dl = iter(["/Groups/" + g for g in gids.values()] + ["/Users/" + u for u in uids.values()])

            def clean(_):
                for p in dl:
                    yield e.req("DELETE", p)
            e.run(clean, a.conc, cap=120)

    def probes(self):
        """What a server gets wrong quietly. Not timed."""
        e, p = self.eng, {}
        if self.ids:
            nm = self.name(0)
            for k, f in (("userName_case_insensitive", 'userName eq "%s"' % nm.upper()), ("co", 'userName co "u0000000@"'),
                         ("and", 'userName eq "%s" and active eq true' % nm), ("op_case", 'userName Eq "%s"' % nm),
                         ("ent", '%s:employeeNumber eq "E0000000"' % ENT), ("meta", 'meta.lastModified gt "2000-01-01T00:00:00Z"')):
                s, b, _ = e.one("GET", "/Users?count=1&filter=" + quote(f))
                m = TOTAL.search(b)
                p[k] = "%s/%s" % (s, m.group(1).decode() if m else "-")
            s, b, _ = e.one("POST", "/Users", self.user(0, nm.upper(), "dup"))
            p["duplicate_other_case"] = s
            if s == 201 and b'"id"' in b:
                e.one("DELETE", "/Users/" + quote(json.loads(b).get("id", "none")))
            s, b, _ = e.one("PATCH", "/Users/" + self.ids[0], {"schemas": [PATCHOP], "Operations": [
                {"op": "Replace", "path": "active", "value": "False"}]})
            p["patch_active_string_False"] = s
            s, b, _ = e.one("PATCH", "/Users/" + self.ids[0], {"schemas": [PATCHOP], "Operations": [
                {"op": "Replace", "path": 'emails[type eq "work"].value', "value": nm},
                {"op": "Add", "path": ENT + ":department", "value": "D"}]})
            p["patch_valuepath_and_extension"] = s
            e.one("PATCH", "/Users/" + self.ids[0], {"schemas": [PATCHOP], "Operations": [{"op": "replace", "path": "active", "value": True}]})
        self.notes["probes"] = p
        print("   probes:", p, file=sys.stderr, flush=True)


SCEN = ["get", "lookup", "lookup-miss", "lookup-ext", "lookup-email", "patch", "put", "create", "list", "list-deep"]
GSCEN = ["member-add", "member-get", "group-lookup"]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("url")
    ap.add_argument("--token")
    ap.add_argument("--users", type=int, default=1000)
    ap.add_argument("--scenarios", default="all", help="comma list, or all (= %s, groups, probes, entra-cycle)" % ", ".join(SCEN))
    ap.add_argument("--conc", type=int, default=8)
    ap.add_argument("--duration", type=float, default=3.0)
    ap.add_argument("--ops", type=int)
    ap.add_argument("--repeats", type=int, default=1)
    ap.add_argument("--cap", type=float, default=60.0, help="hard end of one measurement, seconds")
    ap.add_argument("--timeout", type=float, default=60.0)
    ap.add_argument("--seed-secs", type=float, default=180.0)
    ap.add_argument("--page", type=int, default=100)
    ap.add_argument("--members", type=lambda s: [int(x) for x in s.split(",") if x], default=[100])
    ap.add_argument("--member-chunk", type=int, default=1000)
    ap.add_argument("--fake-members", action="store_true", help="member ids that are no user once the users are used up")
    ap.add_argument("--group-query", default="", help="query added to group PATCH, such as ?excludedAttributes=members")
    ap.add_argument("--cycle-users", type=int, default=500)
    ap.add_argument("--cycle-groups", type=int, default=10)
    ap.add_argument("--cycle-adds", type=int, default=500)
    ap.add_argument("--patch-path", default="displayName", help="the string attribute that the patch scenario replaces")
    ap.add_argument("--remove-shape", choices=["filter", "entra"], default="filter")
    ap.add_argument("--omit", type=lambda s: [x for x in s.split(",") if x], default=[], help="user attributes to leave out of bodies")
    ap.add_argument("--server-pid", type=int, action="append", default=[])
    ap.add_argument("--ref")
    ap.add_argument("--ref-pid", type=int, action="append", default=[], help="the reference server, for the ratio of CPU")
    ap.add_argument("--ref-secs", type=float, default=1.0)
    ap.add_argument("--quiet-wait", type=float, default=0, help="wait up to so many seconds for a quiet machine before each measurement")
    ap.add_argument("--quiet-cores", type=float, default=0.3, help="quiet: other processes use less than this")
    ap.add_argument("--no-delete", action="store_true")
    ap.add_argument("--state", help="file keeping the ids of the seeded users, to go on with a filled directory")
    ap.add_argument("--run-id")
    ap.add_argument("--label", default="")
    ap.add_argument("--out")
    a = ap.parse_args()
    L = Load(a)
    want = (SCEN + GSCEN + ["probes", "entra-cycle"]) if a.scenarios == "all" else a.scenarios.split(",")
    t = time.time()
    if want != ["hello"] and a.users:
        L.seed(a.users)
    try:
        for s in want:
            if s in SCEN or s == "hello":
                for _ in range(a.repeats):
                    getattr(L, s.replace("-", "_"))()
            elif s == "probes":
                L.probes()
            elif s == "entra-cycle":
                for _ in range(a.repeats):
                    L.entra_cycle()
        if any(s in GSCEN for s in want):
            L.groups([s for s in want if s in GSCEN])
    except (KeyboardInterrupt, ConnectionRefusedError, OSError) as ex:
        L.notes["aborted"] = repr(ex)
        print("ABORTED", repr(ex), file=sys.stderr)
    by = collections.defaultdict(list)
    for r in L.results:
        by[(r["scenario"], r["n"], r["conc"], r.get("m"))].append(r)
    summary = []
    for (sc, n, c, m), rs in by.items():
        calm = [r for r in rs if not r.get("noisy") and r["ok"]]
        noisy = len(rs) - len(calm)
        every, rs = rs, calm or rs                     # medians over the quiet repeats, where there is one
        d = {"scenario": sc, "n": n, "conc": c, "repeats": len(rs), "noisy_repeats": noisy, "errors": sum(r["errors"] for r in every)}
        if m is not None:
            d["m"] = m
        for k in ("rps", "p50", "p95", "p99", "server_cpu_us", "client_cpu_us", "ref_rps", "ratio", "ref_cpu_us", "cpu_ratio",
                  "items_per_s", "secs", "rss_mb",
                  "first_tenth_rps", "last_tenth_rps", "lost_updates", "lost_members"):
            v = [r[k] for r in rs if r.get(k) is not None]
            if v:
                d[k] = round(statistics.median(v), 4)
        summary.append(d)
    doc = {"label": a.label, "url": a.url, "args": {k: v for k, v in vars(a).items() if k != "token"}, "wall": round(time.time() - t, 1),
           "notes": L.notes, "refs": L.refs, "summary": summary, "results": L.results}
    txt = json.dumps(doc, indent=1, ensure_ascii=False)
    if a.out:
        os.makedirs(os.path.dirname(os.path.abspath(a.out)), exist_ok=True)
        open(a.out, "w").write(txt)
    else:
        print(json.dumps({"label": a.label, "notes": L.notes, "summary": summary}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()

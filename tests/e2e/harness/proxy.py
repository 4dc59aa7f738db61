"""A proxy between libpq and PostgreSQL that breaks connections at chosen messages.

It listens on a unix socket in a directory of its own and passes the protocol's
messages on one by one, so that a fault can name the message it comes at:

    CUT_BEFORE   the message is not passed on; both sides are closed
    CUT_ANSWER   the message is passed on, the server acts on it (its ReadyForQuery
                 is read here), and then both sides are closed: the client never
                 learns what became of it
    SILENCE      from the message on nothing more is passed on, in either direction;
                 the connections stay open

`refuse` closes every new connection at once, as a server that has gone.  Two threads a
connection; every one of them ends with the proxy.
"""

import socket
import struct
import threading
from dataclasses import dataclass, field

from .cluster import make_directory

CUT_BEFORE, CUT_ANSWER, SILENCE = "cut before", "cut answer", "silence"
CANCEL_REQUEST, SSL_REQUEST, GSS_REQUEST = 80877102, 80877103, 80877104
PORT = 5432


@dataclass
class Message:
    """One message of the client: its type, its body, its number in the connection."""

    kind: bytes
    body: bytes
    number: int
    application: str
    prepared: str = ""

    def sql(self):
        """The text of a Query or Parse, or of a Bind to what was prepared by an earlier
        round trip; empty for the others."""
        if self.kind == b"Q":
            return self.body.partition(b"\0")[0].decode()
        if self.kind == b"P":
            return self.body.split(b"\0", 2)[1].decode()
        return self.prepared

    def is_commit(self):
        return self.sql().strip().upper().startswith("COMMIT")


@dataclass
class Fault:
    """What happens at the first `times` messages that `when` accepts."""

    action: str
    when: object
    times: int = 1
    struck: threading.Event = field(default_factory=threading.Event)


def commit_of(role):
    """A COMMIT on the connection of this role ("cli push", "settle", "claim", …)."""
    return lambda message: message.is_commit() and message.application.startswith(f"pawl {role}")


class Proxy:
    """A context manager; `database` is a stand-in for the Database behind it."""

    def __init__(self, database):
        self.directory = make_directory("pawl-proxy-")
        self.target = f"{database.cluster.directory}/.s.PGSQL.{database.cluster.port}"
        self.behind = database
        self.refuse = False
        self.messages = []  # (application, number, kind, sql), in the order of arrival
        self.connections = 0
        self._faults = []
        self._lock = threading.Lock()
        self._links = []
        self._threads = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self.directory}/.s.PGSQL.{PORT}")
        self._listener.listen(64)
        self._spawn(self._accept)

    # -- what the tests use -------------------------------------------------------

    def env(self):
        return {"PGHOST": str(self.directory), "PGPORT": str(PORT)}

    def fault(self, action, when, times=1):
        fault = Fault(action, when, times)
        with self._lock:
            self._faults.append(fault)
        return fault

    def count(self):
        """How many messages have passed, but for those of a look at who blocks: on a slow
        machine one may come, on a connection of its own."""
        return sum(not application.startswith("pawl watch")
                   for application, *_ in list(self.messages))

    def commits(self, role):
        """How many COMMITs this role has sent so far."""
        return sum(1 for application, _, _, sql in list(self.messages)
                   if application.startswith(f"pawl {role}") and sql.upper() == "COMMIT")

    def close(self):
        self.refuse = True
        # shutdown wakes the thread in accept; close alone would not
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a thread of the proxy has not ended"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- inside --------------------------------------------------------------------

    def _spawn(self, function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refuse:
                client.close()
                continue
            link = Link(self, client)
            with self._lock:
                self._links.append(link)
            self._spawn(link.run)

    def match(self, message):
        """The fault that this message meets, or None."""
        self.messages.append(
            (message.application, message.number, message.kind, message.sql()))
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.when(message):
                    fault.times -= 1
                    return fault
        return None


def read_exactly(sock, size):
    """size bytes, or None at the end of the stream."""
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            return None
        data += part
    return data


def read_message(sock):
    """(type, whole message) or None."""
    head = read_exactly(sock, 5)
    if head is None:
        return None
    body = read_exactly(sock, struct.unpack("!I", head[1:])[0] - 4)
    return None if body is None else (head[:1], head + body)


class Link:
    """One client's connection and the server's behind it."""

    def __init__(self, proxy, client):
        self.proxy = proxy
        self.client = client
        self.server = socket.socket(socket.AF_UNIX)
        self.application = ""
        self.prepared, self.just_prepared = {}, b""  # name -> text
        self.silent = threading.Event()
        self.swallow = threading.Event()  # the server's answer is read, not passed on
        # round trips that the client has ended (startup, Sync, Query), and ReadyForQuery
        self.asked, self.answered = 1, 0
        self.turn = threading.Condition()

    def close(self):
        for sock in (self.client, self.server):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def run(self):
        try:
            self.server.connect(self.proxy.target)
            if self._startup():
                self.proxy._spawn(self._downstream)
                self._upstream()
        except OSError:
            pass
        if not self.silent.is_set():
            self.close()

    def _startup(self):
        """Pass the startup packet on; False when the client wanted something else."""
        while True:
            head = read_exactly(self.client, 8)
            if head is None:
                return False
            size, code = struct.unpack("!II", head)
            body = read_exactly(self.client, size - 8)
            if code in (SSL_REQUEST, GSS_REQUEST):
                self.client.sendall(b"N")
                continue
            words = (body or b"").split(b"\0")
            named = dict(zip(words[0::2], words[1::2]))
            self.application = named.get(b"application_name", b"").decode()
            self.server.sendall(head + body)
            return code != CANCEL_REQUEST

    def _prepared(self, message):
        """The text that a Bind calls by name, unless it was named just before."""
        words = message.body.split(b"\0", 2)
        if message.kind == b"P" and words[0]:
            self.prepared[words[0]] = message.sql()
            self.just_prepared = words[0]
        elif message.kind == b"B" and words[1] and words[1] != self.just_prepared:
            return self.prepared[words[1]]
        elif message.kind == b"B":
            self.just_prepared = b""
        return ""

    def _upstream(self):
        number = 0
        while True:
            got = read_message(self.client)
            if got is None:
                return
            kind, data = got
            message = Message(kind, data[5:], number, self.application)
            message.prepared = self._prepared(message)
            number += 1
            fault = self.proxy.match(message)
            if self.silent.is_set():
                continue  # read and forgotten: the client must not notice
            if fault is None:
                self._pass_on(kind, data)
            elif fault.action == SILENCE:
                self.silent.set()
                fault.struck.set()
            else:
                self._cut(fault, data)
                return

    def _pass_on(self, kind, data):
        with self.turn:
            self.asked += kind in (b"S", b"Q")
        self.server.sendall(data)

    def _cut(self, fault, data):
        if fault.action == CUT_ANSWER:
            self.swallow.set()
            kind = data[:1]
            self._pass_on(kind, data)
            # the rest of the client's round trip, to its end
            while kind not in (b"S", b"Q"):
                got = read_message(self.client)
                if got is None:
                    break
                kind = got[0]
                self._pass_on(kind, got[1])
            with self.turn:
                self.turn.wait_for(lambda: self.answered >= self.asked, 20)
        self.close()
        fault.struck.set()

    def _note_ready(self, n):
        with self.turn:
            self.answered += n
            self.turn.notify_all()

    def _downstream(self):
        while True:
            try:
                got = read_message(self.server)
                if got is None:
                    break
                if got[0] == b"Z":
                    self._note_ready(1)
                if not self.swallow.is_set() and not self.silent.is_set():
                    self.client.sendall(got[1])
            except OSError:
                break
        self._note_ready(1 << 30)  # nothing more will come
        if not self.silent.is_set() and not self.swallow.is_set():
            self.close()

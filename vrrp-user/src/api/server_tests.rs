use std::{
    future::pending,
    os::unix::net::UnixListener as StdListener,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::{
    net::UnixStream,
    sync::{Notify, broadcast, watch},
    task::{JoinHandle, spawn_blocking},
};

use super::*;
use crate::{
    api::{self, ClientError, event::tests::example as event, status::tests::example},
    host::testing::TempDir,
};

/// Events that a follower may be behind.
const BACKLOG: usize = 16;

/// A daemon that stops when it is told to, and whose stopping takes until `finish`. What happens to
/// it is what a test sends.
struct Fake {
    stopping: Notify,
    finish: Notify,
    ends_well: AtomicBool,
    events: broadcast::Sender<Arc<Event>>,
    adverts: broadcast::Sender<Arc<Event>>,
}

impl Default for Fake {
    fn default() -> Self {
        let [events, adverts] = [0; 2].map(|_| broadcast::Sender::new(BACKLOG));
        let ends_well = AtomicBool::new(true);
        Self { stopping: Notify::new(), finish: Notify::new(), ends_well, events, adverts }
    }
}

impl Daemon for Arc<Fake> {
    async fn status(&self) -> Vec<RouterStatus> {
        vec![example()]
    }

    async fn events(&self, adverts: bool) -> Option<Following> {
        let sender = if adverts { &self.adverts } else { &self.events };
        Some(Following { states: vec![event("state")], events: sender.subscribe() })
    }

    async fn reload(&self) -> Result<Reloaded, String> {
        Err("line 1\nline 2".to_owned())
    }

    async fn stop(&self) -> bool {
        self.stopping.notify_one();
        self.finish.notified().await;
        self.ends_well.load(Relaxed)
    }

    async fn hand_over(&self) -> bool {
        self.stop().await
    }
}

struct Running {
    dir: TempDir,
    fake: Arc<Fake>,
    shutdown: watch::Sender<()>,
    server: JoinHandle<()>,
}

impl Running {
    fn start(name: &str) -> Self {
        let dir = TempDir::new(name);
        let fake = Arc::<Fake>::default();
        let (shutdown, mut asked) = watch::channel(());
        let server = Server::bind(dir.path()).unwrap();
        let server = tokio::spawn(server.run(Arc::clone(&fake), async move {
            // Also when the test is over.
            let _ = asked.changed().await;
        }));
        Self { dir, fake, shutdown, server }
    }

    async fn connect(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(self.socket()).await.unwrap())
    }

    fn socket(&self) -> PathBuf {
        socket_path(self.dir.path())
    }

    fn client<T: Send + 'static>(
        &self,
        command: fn(&Path) -> Result<T, ClientError>,
    ) -> JoinHandle<Result<T, ClientError>> {
        let dir = self.dir.path().to_owned();
        spawn_blocking(move || command(&dir))
    }
}

async fn ask(client: &mut BufReader<UnixStream>, request: &[u8]) -> String {
    client.write_all(request).await.unwrap();
    let mut line = String::new();
    client.read_line(&mut line).await.unwrap();
    line
}

/// `xvrrp status`: what the daemon says arrives, and the socket is private.
#[tokio::test]
async fn status_through_the_socket() {
    let running = Running::start("api-status");
    let mode = fs::metadata(running.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let routers = running.client(api::status).await.unwrap();
    assert_eq!(routers, Ok(vec![example()]));
}

/// issue 2: malformed input is answered and disturbs neither its connection nor others.
#[tokio::test]
async fn malformed_requests() {
    let running = Running::start("api-malformed");
    let mut client = running.connect().await;
    for bad in ["\n", "status\n", "{\"command\":\"fly\"}\n", "[[[[\n", "{}\n", "\"\n"] {
        let answer = ask(&mut client, bad.as_bytes()).await;
        assert!(answer.starts_with("{\"error\":"), "{bad:?}: {answer}");
    }
    let answer = ask(&mut client, &[0xff, 0x00, b'\n']).await;
    assert!(answer.starts_with("{\"error\":"), "{answer}");
    let answer = ask(&mut client, b"{\"command\":\"status\"}\n").await;
    assert!(answer.starts_with("{\"status\":["), "{answer}");
}

/// issue 2: a line without end is cut off at the limit.
#[tokio::test]
async fn endless_line() {
    let running = Running::start("api-endless");
    let mut client = running.connect().await;
    let answer = ask(&mut client, &[b'x'; MAX_REQUEST + 1]).await;
    assert!(answer.starts_with("{\"error\":\"request longer"), "{answer}");
    let mut rest = String::new();
    assert_eq!(client.read_line(&mut rest).await.unwrap(), 0);
}

/// issue 2: many clients at once, among them one that never says anything.
#[tokio::test]
async fn many_clients() {
    let running = Running::start("api-many");
    let _silent = running.connect().await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS - 1 {
        clients.push(running.connect().await);
    }
    for client in &mut clients {
        let answer = ask(client, b"{\"command\":\"status\"}\n").await;
        assert!(answer.starts_with("{\"status\":["), "{answer}");
    }
    // No place is left until one of them goes.
    let waiting = running.client(api::status);
    drop(clients.pop());
    assert_eq!(waiting.await.unwrap(), Ok(vec![example()]));
}

/// `xvrrp stop`: the answer comes when all is done, even when the daemon is on its way out, and
/// the socket is gone after it.
#[tokio::test]
async fn stop_answers_when_done() {
    let mut running = Running::start("api-stop");
    let mut idle = running.connect().await;
    let stop = running.client(api::stop);
    running.fake.stopping.notified().await;
    assert!(!stop.is_finished());

    running.fake.finish.notify_one();
    running.shutdown.send(()).unwrap();
    (&mut running.server).await.unwrap();
    assert_eq!(stop.await.unwrap(), Ok(()));
    // Idle clients were not waited for.
    assert_eq!(idle.read_line(&mut String::new()).await.unwrap(), 0);
    assert!(!running.socket().exists());
}

/// `xvrrp stop`, `xvrrp handover`: whoever asked is told when it did not go well.
#[tokio::test]
async fn an_end_that_is_not_in_order() {
    let running = Running::start("api-bad-end");
    running.fake.ends_well.store(false, Relaxed);
    for command in [api::stop, api::hand_over] {
        running.fake.finish.notify_one();
        let told = running.client(command).await.unwrap();
        assert!(matches!(told, Err(ClientError::Refused(_))), "{told:?}");
    }
}

/// `xvrrp stop`: a stop that never ends does not keep the daemon from exiting.
#[tokio::test]
async fn farewell_is_bounded() {
    let mut running = Running::start("api-farewell");
    let mut client = running.connect().await;
    client.write_all(b"{\"command\":\"stop\"}\n").await.unwrap();
    running.fake.stopping.notified().await;
    running.shutdown.send(()).unwrap();
    (&mut running.server).await.unwrap();
    assert_eq!(client.read_line(&mut String::new()).await.unwrap(), 0);
}

/// `xvrrp status`: without a daemon the message names socket and directory.
#[test]
fn no_daemon() {
    let dir = TempDir::new("api-nobody");
    let missing = api::status(dir.path()).unwrap_err();
    let expected =
        ClientError::NoDaemon { socket: socket_path(dir.path()), dir: dir.path().to_owned() };
    assert_eq!(missing, expected);
    assert!(missing.to_string().contains("--runtime-dir"));
    // The socket of a daemon that was killed is no daemon either.
    drop(StdListener::bind(socket_path(dir.path())).unwrap());
    assert_eq!(api::status(dir.path()), Err(expected));
}

/// issue 2: the next start replaces the socket of a killed daemon.
#[tokio::test]
async fn stale_socket_is_replaced() {
    let dir = TempDir::new("api-stale");
    drop(StdListener::bind(socket_path(dir.path())).unwrap());
    let server = Server::bind(dir.path()).unwrap();
    tokio::spawn(server.run(Arc::<Fake>::default(), pending()));
    let path = dir.path().to_owned();
    let routers = spawn_blocking(move || api::status(&path)).await.unwrap();
    assert_eq!(routers, Ok(vec![example()]));
}

/// `xvrrp status`: a daemon that hangs up is not a daemon that is missing.
#[test]
fn closed_without_answer() {
    let dir = TempDir::new("api-closed");
    let listener = StdListener::bind(socket_path(dir.path())).unwrap();
    let hang_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let error = api::status(dir.path()).unwrap_err();
    assert_eq!(error, ClientError::Closed(socket_path(dir.path())));
    hang_up.join().unwrap();
}

/// `xvrrp events`: the states, and then what happens, in its order, until the daemon ends. What is
/// due at its end still comes.
#[tokio::test]
async fn events_through_the_socket() {
    for adverts in [false, true] {
        let running = Running::start(&format!("api-events-{adverts}"));
        let dir = running.dir.path().to_owned();
        let follow = move || {
            let mut events = api::events(&dir, adverts).unwrap();
            let state = events.next().unwrap();
            (events, state)
        };
        let (events, state) = spawn_blocking(follow).await.unwrap();
        assert_eq!(state, Ok(event("state")));
        let wanted = if adverts { &running.fake.adverts } else { &running.fake.events };
        for number in 0..BACKLOG {
            wanted.send(Arc::new(event(&number.to_string()))).unwrap();
        }
        running.shutdown.send(()).unwrap();
        let rest: Vec<_> = spawn_blocking(|| events.take(BACKLOG + 1).collect()).await.unwrap();
        let due = (0..BACKLOG).map(|number| Ok(event(&number.to_string())));
        let ended = ClientError::Ended(running.socket());
        assert_eq!(rest, due.chain([Err(ended)]).collect::<Vec<_>>(), "adverts: {adverts}");
    }
}

/// `xvrrp events`: a follower that does not read delays nobody. It loses events, the oldest first,
/// and is told how many.
#[tokio::test]
async fn slow_follower() {
    /// More than any socket holds.
    const MANY: usize = 100_000;
    let running = Running::start("api-slow");
    let mut client = running.connect().await;
    let state = ask(&mut client, b"{\"command\":\"events\",\"adverts\":false}\n").await;
    assert!(state.starts_with("{\"event\":"), "{state}");
    for number in 0..MANY {
        running.fake.events.send(Arc::new(event(&number.to_string()))).unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(running.client(api::status).await.unwrap(), Ok(vec![example()]));

    let (mut seen, mut lost) = (0, 0);
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await.unwrap();
        match serde_json::from_str(&line).unwrap() {
            Answer::Event(Event { what: What::Lost { count }, .. }) => lost += count,
            Answer::Event(Event { what: What::Transition { router, .. }, .. }) => {
                seen += 1;
                if router.parse() == Ok(MANY - 1) {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0);
    assert_eq!(seen + lost, MANY as u64);
}

/// `xvrrp events`: a follower that goes is noticed although nothing happens.
#[tokio::test]
async fn follower_that_goes() {
    let running = Running::start("api-goes");
    let mut client = running.connect().await;
    ask(&mut client, b"{\"command\":\"events\",\"adverts\":true}\n").await;
    assert_eq!(running.fake.adverts.receiver_count(), 1);
    drop(client);
    running.fake.adverts.closed().await;
}

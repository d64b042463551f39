//! Mail about transitions, in keepalived's words.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    address::Envelope,
    message::{Mailbox, header},
    transport::smtp::{
        self, PoolConfig,
        client::{CertificateStore, Tls, TlsParameters},
        extension::ClientId,
    },
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};
use tracing::{error, info, warn};

use super::{State, Subject, queue::Queue};
use crate::config::Mail;

/// Mails that wait for the server.
const ROOM: usize = 256;

/// When a mail that could not be delivered is tried again; each time after twice the time.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest of these times.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// After this time a mail is not worth another try.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long a connection stays open for the next mail.
const IDLE: Duration = Duration::from_secs(5);

/// Delivers mail, in the order of what happened.
pub(super) struct Postman {
    shared: Arc<Shared>,
    without_faults: bool,
    router_id: String,
    task: JoinHandle<()>,
}

struct Shared {
    queue: Queue<Letter>,
    lost: Mutex<HashMap<Subject, u64>>,
}

/// One mail.
struct Letter {
    about: Subject,
    subject: String,
    body: String,
    happened: SystemTime,
    /// When it is not worth another try.
    stale: Instant,
}

impl Postman {
    /// `None` where nobody gets mail.
    pub(super) fn start(mail: &Mail, router_id: Option<&str>) -> Option<Self> {
        let route = Route::new(mail)?;
        let shared = Arc::new(Shared { queue: Queue::new(ROOM), lost: Mutex::new(HashMap::new()) });
        let task = tokio::spawn(deliver(route, Arc::clone(&shared)));
        let router_id = router_id.map_or_else(host_name, str::to_owned);
        Some(Self { shared, without_faults: mail.without_faults, router_id, task })
    }

    /// Sends a mail about a state, if that is worth one.
    pub(super) fn send(&self, subject: &Subject, state: State) {
        let state = match state {
            State::Fault if self.without_faults => return,
            State::Master | State::Backup | State::Fault => state,
            // keepalived says that it is in FAULT.
            State::Deleted => State::Fault,
            State::Stop => return,
        };
        let letter = Letter {
            about: subject.clone(),
            subject: title(&self.router_id, subject, state),
            body: text(subject, state),
            happened: SystemTime::now(),
            stale: Instant::now() + PATIENCE,
        };
        if let Some(lost) = self.shared.queue.push(letter) {
            warn!("too many mails wait for the server; this one is lost: {}", lost.subject);
            self.shared.count_lost(lost.about);
        }
    }

    /// Mails about a subject that were not delivered.
    pub(super) fn lost(&self, subject: &Subject) -> u64 {
        let lost = self.shared.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.get(subject).copied().unwrap_or_default()
    }

    /// Ends when each mail has had one more try, or by then.
    pub(super) async fn close(mut self, by: Instant) {
        self.shared.queue.close();
        if timeout_at(by, &mut self.task).await.is_err() {
            self.task.abort();
            warn!("no more time for mail: {} are lost", self.shared.queue.len() + 1);
        }
    }
}

impl Shared {
    fn count_lost(&self, about: Subject) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        *lost.entry(about).or_default() += 1;
    }
}

fn title(router_id: &str, subject: &Subject, state: State) -> String {
    let kind = match subject {
        Subject::Instance(_) => "Instance",
        Subject::Group(_) => "Group",
    };
    format!("[{router_id}] VRRP {kind} {} - Entering {} state", subject.name(), state.name())
}

fn text(subject: &Subject, state: State) -> String {
    let text = match (subject, state) {
        (Subject::Group(_), _) => {
            format!("All VRRP group instances are now in {} state", state.name())
        }
        (Subject::Instance(_), State::Master) => "VRRP Instance is now owning VRRP VIPs".to_owned(),
        (Subject::Instance(_), _) => "VRRP Instance is no longer owning VRRP VIPs".to_owned(),
    };
    format!("=> {text} <=\r\n\r\n")
}

/// Delivers one mail after the other.
async fn deliver(route: Route, shared: Arc<Shared>) {
    let mut is_closing = false;
    while let Some(letter) = shared.queue.next().await {
        let Err(reason) = route.deliver(&letter, &shared.queue, &mut is_closing).await else {
            info!("SMTP alert successfully sent: {}", letter.subject);
            continue;
        };
        error!("this mail is lost: {}: {reason}", letter.subject);
        shared.count_lost(letter.about);
    }
}

/// How mail leaves.
struct Route {
    server: String,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    plain: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
    to: Vec<Address>,
}

impl Route {
    fn new(mail: &Mail) -> Option<Self> {
        let to: Vec<_> = mail.recipients.iter().filter_map(|text| address(text)).collect();
        if to.is_empty() {
            return None;
        }
        let host = host_name();
        let from = match &mail.from {
            Some(from) => address(from)?,
            None => Address::new_dangerous("keepalived", &host),
        };
        let helo = ClientId::Domain(mail.helo.clone().unwrap_or(host));
        let transport = |tls| {
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.server)
                .port(mail.port)
                .timeout(Some(mail.timeout))
                .hello_name(helo.clone())
                .pool_config(PoolConfig::new().max_size(1).idle_timeout(IDLE))
                .tls(tls)
                .build()
        };
        // Whoever could forge a certificate could as well take away the offer of STARTTLS: without
        // demanding it, there is nothing to check a certificate for (RFC 7435).
        let tls = TlsParameters::builder(mail.server.clone())
            .certificate_store(CertificateStore::None)
            .dangerous_accept_invalid_certs(true)
            .dangerous_accept_invalid_hostnames(true)
            .build();
        let tls = tls
            .inspect_err(|reason| warn!("mail leaves without TLS: {reason}"))
            .map_or(Tls::None, Tls::Opportunistic);
        Some(Self {
            server: format!("{} port {}", mail.server, mail.port),
            transport: transport(tls),
            plain: transport(Tls::None),
            from,
            to,
        })
    }

    /// Tries until it is delivered, or refused, or stale; or, at the end, once more.
    async fn deliver(
        &self,
        letter: &Letter,
        queue: &Queue<Letter>,
        is_closing: &mut bool,
    ) -> Result<(), String> {
        let message = self.message(letter).map_err(|error| error.to_string())?;
        let (mut pause, mut left, mut is_plain) = (PAUSE, self.to.clone(), false);
        loop {
            let transport = if is_plain { &self.plain } else { &self.transport };
            let error = match self.send(transport, &message, &mut left).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let reason = describe(&error);
            if error.is_permanent() {
                return Err(reason);
            }
            // A TLS that does not work is told by nothing but the connection's end.
            is_plain = !is_plain && error.status().is_none();
            if *is_closing || Instant::now() + pause > letter.stale {
                return Err(reason);
            }
            if pause == PAUSE {
                warn!("Error processing SMTP request to {}, trying again: {reason}", self.server);
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = queue.closed() => *is_closing = true,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One try. Who refuses mail does not keep the others from it.
    async fn send(
        &self,
        transport: &AsyncSmtpTransport<Tokio1Executor>,
        message: &[u8],
        left: &mut Vec<Address>,
    ) -> Result<(), smtp::Error> {
        let send_to = async |to: Vec<Address>| {
            let Ok(envelope) = Envelope::new(Some(self.from.clone()), to) else { return Ok(()) };
            transport.send_raw(&envelope, message).await.map(drop)
        };
        match send_to(left.clone()).await {
            Err(error) if error.is_permanent() && left.len() > 1 => {}
            outcome => return outcome,
        }
        let mut refusal = None;
        while let Some(one) = left.last().cloned() {
            match send_to(vec![one]).await {
                Err(error) if !error.is_permanent() => return Err(error),
                outcome => {
                    left.pop();
                    refusal = outcome.err().or(refusal);
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    fn message(&self, letter: &Letter) -> Result<Vec<u8>, lettre::error::Error> {
        let mailbox = |address: &Address| Mailbox::new(None, address.clone());
        let mut message = Message::builder()
            .date(letter.happened)
            .from(mailbox(&self.from))
            .subject(&letter.subject)
            .header(header::ContentType::TEXT_PLAIN);
        for to in &self.to {
            message = message.to(mailbox(to));
        }
        Ok(message.body(letter.body.clone())?.formatted())
    }
}

/// An error with what caused it.
fn describe(error: &smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// A name without a host is one of this host.
fn address(text: &str) -> Option<Address> {
    if !text.contains('@') {
        return Some(Address::new_dangerous(text, host_name()));
    }
    let refused = |reason| error!("`{text}` gets no mail: {reason}");
    text.parse().map_err(refused).ok()
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keyword `smtp_alert`: subjects and texts as keepalived 2.2.7 sends them.
    #[test]
    fn words() {
        let instance = Subject::Instance("VI_1".into());
        let group = Subject::Group("G1".into());
        for (subject, state, expected_title, expected_text) in [
            (
                &instance,
                State::Master,
                "[r1] VRRP Instance VI_1 - Entering MASTER state",
                "=> VRRP Instance is now owning VRRP VIPs <=",
            ),
            (
                &instance,
                State::Fault,
                "[r1] VRRP Instance VI_1 - Entering FAULT state",
                "=> VRRP Instance is no longer owning VRRP VIPs <=",
            ),
            (
                &group,
                State::Backup,
                "[r1] VRRP Group G1 - Entering BACKUP state",
                "=> All VRRP group instances are now in BACKUP state <=",
            ),
        ] {
            assert_eq!(title("r1", subject, state), expected_title);
            assert_eq!(text(subject, state), format!("{expected_text}\r\n\r\n"));
        }
    }

    /// Keyword `notification_email`: a bare name is one of this host; what is no address gets nothing.
    #[test]
    fn addresses() {
        assert_eq!(address("a@example.org").unwrap().to_string(), "a@example.org");
        assert_eq!(address("root").unwrap().to_string(), format!("root@{}", host_name()));
        assert_eq!(address("a b@c d"), None);
    }
}

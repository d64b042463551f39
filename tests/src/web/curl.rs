//! curl, again and again.

use std::{
    net::Ipv4Addr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};

use crate::{Journal, Node, output_of};

/// How long a page may take: curl repeats a lost packet after a second, and by then the next one has
/// asked again.
const TIMEOUT: &str = "0.05";
/// From one end to the next start.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs `curl --fail` against one address in a loop, until this is dropped.
#[derive(Debug)]
pub struct Curl {
    stop: Arc<AtomicBool>,
    pages: Arc<Journal<Page>>,
}

/// A page that curl has brought.
#[derive(Clone, Debug)]
struct Page {
    /// When curl had ended.
    at: SystemTime,
    text: String,
}

impl Curl {
    /// Starts to ask `address` from `client`.
    pub fn start(client: &Node, address: Ipv4Addr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let pages = Arc::new(Journal::new());
        let (client, url) = (client.clone(), format!("http://{address}/"));
        thread::spawn({
            let (stop, pages) = (Arc::clone(&stop), Arc::clone(&pages));
            move || {
                let ask = || {
                    let mut curl: Command = client.command("curl");
                    output_of(curl.args(["--silent", "--fail", "--max-time", TIMEOUT, &url]))
                };
                while !stop.load(Ordering::Relaxed) {
                    if let Ok(text) = ask() {
                        pages.push(Page { at: SystemTime::now(), text });
                    }
                    thread::sleep(PAUSE);
                }
            }
        });
        Self { stop, pages }
    }

    /// Waits for the page of `node` that comes at `since` or later.
    ///
    /// # Errors
    /// It does not come within `timeout`.
    pub fn wait_for_page_of(
        &self,
        node: &Node,
        since: SystemTime,
        timeout: Duration,
    ) -> Result<SystemTime> {
        let text = node.address().to_string();
        let first = |pages: &[Page]| {
            pages.iter().find(|page| page.at >= since && page.text == text).map(|page| page.at)
        };
        let found = self.pages.wait(timeout, first);
        found.with_context(|| format!("curl had no page of {text} within {timeout:?}"))
    }

    /// Whether all pages since then are of `node`, and there are some.
    pub fn is_served_by(&self, node: &Node, since: SystemTime) -> bool {
        let text = node.address().to_string();
        let pages = self.pages.snapshot();
        let mut pages = pages.iter().filter(|page| page.at >= since).peekable();
        pages.peek().is_some() && pages.all(|page| page.text == text)
    }

    /// The longest time without a page between then and now: from the end of a curl that succeeded to
    /// that of the next one. The last page before that time counts, too.
    pub fn longest_gap(&self, since: SystemTime) -> Duration {
        let ends: Vec<_> = self.pages.snapshot().iter().map(|page| page.at).collect();
        let first = ends.partition_point(|end| *end < since).saturating_sub(1);
        let gaps = ends[first..].windows(2).map(|pair| pair[1].duration_since(pair[0]));
        gaps.filter_map(Result::ok).max().unwrap_or_default()
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

//! A new configuration for the running daemon. It is read and planned as a whole first; if that fails,
//! nothing has changed. Then what differs is changed, and nothing else is touched.

use std::{collections::BTreeSet, fs, sync::Arc, time::Instant};

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{
    Daemon,
    difference::Difference,
    notices::Terms,
    plan::{Plan, slot_of},
    reading::{self, Flaws, Source},
};
use crate::{
    announce,
    api::Reloaded,
    config::{self, Config, Loaded, ReloadCheck},
    datapath::Sizes,
    exec::Hooks,
    pulse::RouterId,
};

/// Who waits for a reload, and hears what it changed or why it changed nothing.
pub(super) type Waiting = oneshot::Sender<Result<Reloaded, String>>;

/// Reloads that were asked for.
pub(super) struct Reloads {
    pub(super) reading: reading::Reading,
    /// `reload_file`, `reload_check_config`, as the running configuration has them.
    settings: config::Reload,
    /// What is wrong with the running configuration.
    flaws: Flaws,
    /// Who waits for what is being read, and who came later: the file may have changed since.
    waiting: Vec<Waiting>,
    later: Vec<Waiting>,
    is_due_again: bool,
}

impl Reloads {
    pub(super) fn new(config: &Config, flaws: Flaws) -> Self {
        Self {
            reading: reading::Reading::default(),
            settings: config.global.reload.clone(),
            flaws,
            waiting: Vec::new(),
            later: Vec::new(),
            is_due_again: false,
        }
    }

    /// Reads the configuration, with `reload_file` there meanwhile. False if it is being read already.
    fn start(&mut self, source: &Source) -> bool {
        let starts = self.reading.start(source);
        if let Some(file) = self.settings.file.as_ref().filter(|_| starts)
            && let Err(error) = fs::write(file, "")
        {
            warn!("reload_file {}: {error}", file.display());
        }
        starts
    }

    /// It is read: `reload_file` goes.
    fn end(&self) {
        if let Some(file) = &self.settings.file
            && let Err(error) = fs::remove_file(file)
        {
            warn!("reload_file {}: {error}", file.display());
        }
    }

    /// Writes what is wrong with a configuration where `reload_check_config` says.
    fn note(&self, reason: &str) {
        if let ReloadCheck::Log(file) = &self.settings.check
            && let Err(error) = fs::write(file, format!("{reason}\n"))
        {
            warn!("reload_check_config {}: {error}", file.display());
        }
    }
}

impl Daemon {
    /// Reads the configuration again, for a client or a signal.
    pub(super) fn begin_reload(&mut self, client: Option<Waiting>) {
        let reloads = &mut self.reloads;
        if reloads.start(&self.source) {
            reloads.waiting.extend(client);
        } else {
            reloads.later.extend(client);
            reloads.is_due_again = true;
        }
    }

    /// Takes in what was read, and tells who waits. Returns when to look at the interfaces again, which
    /// was to be `look_again` before.
    pub(super) async fn end_reload(
        &mut self,
        loaded: Option<Loaded>,
        mut look_again: Option<Instant>,
    ) -> Option<Instant> {
        self.reloads.end();
        let outcome = match loaded {
            Some(loaded) => self.reload(loaded).await,
            None => Err("the configuration could not be read: see the log".to_owned()),
        };
        match &outcome {
            Ok(reloaded) => {
                look_again = self.look_around().await;
                self.addresses.settle().await;
                self.routes.write_down();
                self.virtual_macs.write_down();
                look_again = self.with_next_try(look_again);
                info!("configuration reloaded: {}", reloaded.summary());
            }
            Err(reason) => {
                warn!("the running configuration stays in force: {reason}");
                self.reloads.note(reason);
            }
        }
        for client in std::mem::take(&mut self.reloads.waiting) {
            // Whoever asked may have gone.
            let _ = client.send(outcome.clone());
        }
        if std::mem::take(&mut self.reloads.is_due_again) {
            self.reloads.waiting = std::mem::take(&mut self.reloads.later);
            self.reloads.start(&self.source);
        }
        look_again
    }

    async fn reload(&mut self, loaded: Loaded) -> Result<Reloaded, String> {
        reading::log_diagnostics(&loaded);
        // What it had already does not keep anybody from changing the rest.
        let flaws = Flaws::of(&loaded);
        let errors = self.reloads.flaws.beyond(&loaded);
        let config = match loaded.config {
            Some(config) if errors.is_empty() => config,
            _ => return Err(format!("the file has errors\n{}", errors.join("\n"))),
        };
        let links = self.host.links().await.map_err(|error| error.to_string())?;
        let last = Arc::clone(&self.plan);
        let mut next = last.next(&config);
        self.refuse_unfit(&next)?;
        let difference = last.difference(&next);
        let mut reloaded = report(&last, &next, &difference);
        next.stays_as(&last);
        self.programs.replan(&config);
        self.tracking.replan(&config, &mut self.programs, next.present(), &links);
        self.change(next, &difference, &config).await;
        if let Err(reason) = self.running.keep(&config) {
            warn!("{reason}");
            reloaded.warnings.push(reason);
        }
        self.reloads.settings = config.global.reload;
        self.reloads.flaws = flaws;
        Ok(reloaded)
    }

    /// Why this daemon cannot run `next`, if so.
    fn refuse_unfit(&self, next: &Plan) -> Result<(), String> {
        if next.routers.is_empty() {
            return Err("the file has no virtual router to run".to_owned());
        }
        let needed = self.plan.sizes_until(next);
        let room = self.devices.room().unwrap_or(Sizes {
            routers: self.slots.count().saturating_sub(1),
            addresses: u32::MAX,
        });
        if room.hold(needed) {
            return Ok(());
        }
        let addresses = next.sizes().addresses;
        Err(format!(
            "it has {} virtual routers with {addresses} addresses, for which, besides what is there \
             now, room is needed for {} and {}, and this daemon has room for {} and {} since its \
             start: `xvrrp handover` and `xvrrp run` start one that has more",
            next.routers.ids().count(),
            needed.routers,
            needed.addresses,
            room.routers,
            room.addresses
        ))
    }

    /// Puts `next` in force. Who leaves resigns when others have what was theirs.
    async fn change(&mut self, next: Plan, difference: &Difference, config: &Config) {
        let Difference { coming, leaving, changed, .. } = difference;
        let last = Arc::clone(&self.plan);
        let priority = |router| self.tracking.priority(router);
        self.pulse.install(next.specs(coming, priority)).await;
        self.pulse.change(last.changes(&next, changed, priority)).await;
        if last.group_members() != next.group_members() {
            self.pulse.group(next.group_members()).await;
        }
        self.adopt(Arc::new(next.with_leaving(&last, leaving)), config).await;
        let names = |plan: &Plan, routers: &[RouterId]| -> BTreeSet<String> {
            routers.iter().map(|router| plan.routers[*router].name.clone()).collect()
        };
        let replaced = &names(&last, leaving) & &names(&next, coming);
        self.notices.replan(Terms::new(config), &mut self.programs, &replaced);
        if !leaving.is_empty() {
            self.pulse.remove(leaving).await;
            // The last that there is to say of them.
            self.catch_up().await;
            self.adopt(Arc::new(next), config).await;
            for router in leaving {
                self.forget(*router).await;
            }
        }
        // Of those that have another name, and of groups that are new, nothing was said.
        self.catch_up_notices();
        self.notices.follow_reload(&self.groups);
        let intervals = self.plan.routers.values().map(|router| router.interval.duration());
        if let Err(error) = self.pulse.provide_for(intervals).await {
            warn!("the time that is reserved for the pulse stays as it was: {error}");
        }
    }

    /// Has all parts go on with another plan.
    async fn adopt(&mut self, plan: Arc<Plan>, config: &Config) {
        self.plan = Arc::clone(&plan);
        self.hooks = Hooks::of(&config.global);
        self.debounce.replan(&config.interfaces.delays);
        self.virtual_addresses.send_replace(plan.virtual_addresses());
        self.virtual_macs.replan(Arc::clone(&plan), self.pulse.board());
        self.groups.replan(&plan);
        self.devices.replan(Arc::clone(&plan));
        self.routes.replan(&plan).await;
        self.addresses.live_on(self.virtual_macs.macvlans());
        self.addresses.replan(plan).await;
        self.virtual_macs.dismantle_spare().await;
        self.enter_routes().await;
    }

    /// A virtual router is gone, and its number free.
    async fn forget(&mut self, router: RouterId) {
        self.announcer.forget(announce::RouterId(router)).await;
        self.refusals.forget(slot_of(router));
        self.devices.clear_counters(slot_of(router));
    }
}

/// For people.
fn report(last: &Plan, next: &Plan, difference: &Difference) -> Reloaded {
    let name = |plan: &Plan, router: &RouterId| plan.routers[*router].name.clone();
    let changed = |router: &RouterId| match (name(last, router), name(next, router)) {
        (old, new) if old == new => new,
        (old, new) => format!("{new} (was {old})"),
    };
    Reloaded {
        added: difference.coming.iter().map(|router| name(next, router)).collect(),
        removed: difference.leaving.iter().map(|router| name(last, router)).collect(),
        changed: difference.changed.iter().map(changed).collect(),
        unchanged: difference.unchanged,
        kept: last.kept(next),
        warnings: Vec::new(),
    }
}

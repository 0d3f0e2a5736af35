//! The embedded brokers of a run, which events may stop and start again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    broker::{Embedded, KeyNews, Settings},
    error::Result,
};

/// The embedded brokers of a run. They end when the last of these is dropped.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Own(Arc<Mutex<Vec<Member>>>);

#[derive(Debug)]
struct Member {
    /// Index among the brokers of the plan.
    broker: usize,
    label: String,
    /// With the address at which it listens: it is started again at the same one.
    settings: Settings,
    /// What it has told of its key set.
    news: Arc<KeyNews>,
    /// `None` while it is stopped.
    running: Option<Embedded>,
    /// It had ended by itself before it was stopped.
    has_crashed: bool,
}

impl Own {
    /// Takes a broker that runs.
    pub(in crate::engine) fn add(
        &self,
        broker: usize,
        label: &str,
        settings: Settings,
        running: Embedded,
        news: Arc<KeyNews>,
    ) {
        let settings = Settings { listen: running.address(), ..settings };
        let label = label.to_owned();
        let running = Some(running);
        self.all().push(Member { broker, label, settings, news, running, has_crashed: false });
    }

    /// What they are called, and their process ids.
    pub(in crate::engine) fn processes(&self) -> Vec<(String, i32)> {
        let all = self.all();
        let shown =
            |member: &Member| Some((member.label.clone(), member.running.as_ref()?.pid() as i32));
        all.iter().filter_map(shown).collect()
    }

    /// Labels of those that have ended by themselves.
    pub(in crate::engine) fn lost(&self) -> Vec<String> {
        let mut all = self.all();
        let ended = all.iter_mut().filter_map(|member| {
            let has_ended = member.running.as_mut().is_some_and(Embedded::has_ended);
            (has_ended || member.has_crashed).then(|| member.label.clone())
        });
        ended.collect()
    }

    /// What those have told that take their keys from a server that is not the run's own, by their index among the brokers
    /// of the plan, with their labels.
    pub(in crate::engine) fn news(&self) -> Vec<(usize, String, Arc<KeyNews>)> {
        let all = self.all();
        let told = all.iter().filter(|member| member.settings.takes_foreign_keys());
        told.map(|member| (member.broker, member.label.clone(), Arc::clone(&member.news))).collect()
    }

    /// Kills one.
    pub(super) fn stop(&self, broker: usize) {
        if let Some(member) = self.all().iter_mut().find(|member| member.broker == broker)
            && let Some(mut running) = member.running.take()
        {
            member.has_crashed |= running.has_ended();
        }
    }

    /// Starts one again where it was.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn start(&self, broker: usize) -> Result<()> {
        let mut all = self.all();
        if let Some(member) = all.iter_mut().find(|member| member.broker == broker) {
            member.news.started_again();
            member.running = Some(Embedded::start(&member.settings, &member.news)?);
        }
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

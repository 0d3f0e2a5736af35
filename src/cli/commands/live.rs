//! `--prometheus`, `--otlp` and `--web`, of every command that storms.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    base::{error::Result, host::loopback::is_loopback},
    cli,
    record::live::{Exporter, Listener, Live, Pusher, Receiver},
    report::watch::Watch,
};

/// All that is served while runs go on.
#[derive(Debug)]
pub(super) struct Served<'a> {
    arguments: &'a cli::Live,
    exporter: Option<Arc<Exporter>>,
    pusher: Option<Arc<Pusher>>,
    watch: Option<Arc<Watch>>,
}

impl<'a> Served<'a> {
    /// Serves what is asked for, and says where.
    pub(super) fn start(arguments: &'a cli::Live) -> Result<Self> {
        let exporter = arguments.prometheus.map(exporter).transpose()?;
        let pusher = arguments.otlp.as_deref().map(pusher).transpose()?;
        let watch = arguments.web.map(watch).transpose()?;
        Ok(Self { arguments, exporter, pusher, watch })
    }

    /// Those who are to be told how runs go.
    pub(super) fn live(&self) -> Live {
        let mut listeners: Vec<Arc<dyn Listener>> = Vec::new();
        listeners.extend(self.exporter.clone().map(|it| it as Arc<dyn Listener>));
        listeners.extend(self.pusher.clone().map(|it| it as Arc<dyn Listener>));
        listeners.extend(self.watch.clone().map(|it| it as Arc<dyn Listener>));
        Live::of(listeners)
    }

    /// Tells whoever is told that there will be nothing more, where a run could not be finished. Nobody waits for a scrape
    /// then: why it could not is to be said first.
    pub(super) fn fail(&self, stop: &AtomicBool) {
        self.push_and_show(None, stop);
    }

    fn push_and_show(&self, folder: Option<&Path>, stop: &AtomicBool) {
        if let Some(pusher) = &self.pusher {
            pusher.end(stop);
        }
        if let Some(watch) = &self.watch {
            watch.ends(folder.map(|folder| folder.join("report.html")).as_deref(), stop);
        }
    }

    /// Pushes the last values. Goes on until whoever watches has the report in this folder, and until the last values were
    /// scraped, where that is asked for.
    pub(super) fn end(&self, folder: Option<&Path>, stop: &AtomicBool) {
        self.push_and_show(folder, stop);
        if let (Some(most), Some(exporter)) = (self.arguments.prometheus_linger, &self.exporter) {
            exporter.linger(most.into(), stop);
        }
    }
}

fn exporter(address: SocketAddr) -> Result<Arc<Exporter>> {
    let exporter = Exporter::listen(address)?;
    if !is_loopback(address.ip()) {
        crate::tell!(
            "warning: whoever reaches `{}` can read the metrics: there is no password",
            exporter.address()
        );
    }
    crate::tell!("metrics at {}", exporter.url());
    Ok(Arc::new(exporter))
}

fn pusher(url: &str) -> Result<Arc<Pusher>> {
    let receiver = Receiver::parse(url)?;
    let pusher = Pusher::start(&receiver)?;
    crate::tell!("metrics are pushed to {receiver}");
    Ok(Arc::new(pusher))
}

fn watch(address: SocketAddr) -> Result<Arc<Watch>> {
    let watch = Watch::listen(address)?;
    if !is_loopback(address.ip()) {
        crate::tell!(
            "warning: whoever has the address of the page can read it, and it is not encrypted"
        );
    }
    crate::tell!("watch the run at {}", watch.url());
    Ok(Arc::new(watch))
}

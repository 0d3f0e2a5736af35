//! `--prometheus`, of every command that storms.

use std::sync::{Arc, atomic::AtomicBool};

use crate::{
    base::{error::Result, host::loopback::is_loopback},
    cli,
    record::live::Exporter,
};

/// Serves metrics where that is asked for, and says where.
pub(super) fn exporter(arguments: &cli::Live) -> Result<Option<Arc<Exporter>>> {
    let Some(address) = arguments.prometheus else { return Ok(None) };
    let exporter = Exporter::listen(address)?;
    if !is_loopback(address.ip()) {
        crate::tell!(
            "warning: whoever reaches `{}` can read the metrics: there is no password",
            exporter.address()
        );
    }
    crate::tell!("metrics at {}", exporter.url());
    Ok(Some(Arc::new(exporter)))
}

/// Goes on serving until the last values were scraped, where that is asked for.
pub(super) fn linger(arguments: &cli::Live, exporter: Option<&Exporter>, stop: &AtomicBool) {
    if let (Some(most), Some(exporter)) = (arguments.prometheus_linger, exporter) {
        exporter.linger(most.into(), stop);
    }
}

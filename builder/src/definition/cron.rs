//! `schedule` of a service or a backup.

use bedplate_contract::{Cron, cron::CronError};

use super::decode::Table;

/// The schedule of `table`; `None` when it runs on demand.
pub(super) fn read(table: &Table<'_>) -> Option<Cron> {
    let parse = |text: &str| text.parse().map_err(|error: CronError| error.to_string());
    table.parsed("schedule", parse).map(|found| found.value)
}

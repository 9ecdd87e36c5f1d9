//! `wait`: what must hold before a service is started, on this machine or on another.

use bedplate_contract::service::{Condition, Wait};

use super::{decode::Table, name, probe, source::At, unit};

/// The conditions of `service`; adds the ports that they ask on this machine to `ports`.
pub(super) fn read(service: &Table<'_>, ports: &mut Vec<At<u16>>) -> Vec<Wait> {
    let tables = service.tables("wait").into_iter();
    let one = |table: Table<'_>| table.decode(|table| read_one(table, ports));
    tables.filter_map(one).collect()
}

fn read_one(table: &Table<'_>, ports: &mut Vec<At<u16>>) -> Option<Wait> {
    let time = |key, default| {
        let found = table.parsed(key, unit::duration_ms);
        found.map_or(default, |found| found.value)
    };
    let wait = Wait {
        period_ms: time("period", 2_000),
        timeout_ms: time("timeout", 5_000),
        condition: read_condition(table, ports)?,
    };
    if wait.period_ms < 100 {
        table.fail("too short a `period`", "expected at least `100ms`");
    }
    if wait.timeout_ms == 0 {
        table.fail("too short a `timeout`", "expected more than zero");
    }
    Some(wait)
}

fn read_condition(table: &Table<'_>, ports: &mut Vec<At<u16>>) -> Option<Condition> {
    let http = probe::read_http(table, ports).map(Condition::Check);
    let tcp = probe::read_tcp(table, ports).map(Condition::Check);
    let path = table.parsed("path", name::absolute);
    let path = path.map(|path| Condition::Path(path.value));
    let mut found = [http, tcp, path].into_iter().flatten();
    match (found.next(), found.next()) {
        (Some(condition), None) => Some(condition),
        _ => {
            table.fail("not one condition", "needs one of `tcp`, `http`, `path`");
            None
        }
    }
}

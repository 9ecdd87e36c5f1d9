//! `[gate]`: when a boot is good, and what follows when it is so no more.

use bedplate_contract::appliance::{Gate, Network, NetworkMode, OnFailure};

use super::{decode::Table, unit};

/// Milliseconds to be ready.
const DEADLINE: u64 = 300_000;
/// Milliseconds to stay so.
const STABLE_FOR: u64 = 10_000;
/// Restarts in a row after which a machine stays.
const ATTEMPTS: u32 = 3;

/// `[gate]`: five minutes to be ready, ten seconds to stay so, with an address where one is wanted.
pub(super) fn read(root: &Table<'_>, network: &Network) -> Gate {
    let default = Gate {
        deadline_ms: DEADLINE,
        stable_for_ms: STABLE_FOR,
        network: network.mode != NetworkMode::None,
        on_failure: OnFailure::Stay,
    };
    let read = |table: &Table<'_>| read_table(table, &default);
    root.table("gate")
        .map_or(default.clone(), |table| table.decode(read))
}

fn read_table(table: &Table<'_>, default: &Gate) -> Gate {
    let duration = |key, otherwise| {
        let read = table.parsed(key, unit::duration_ms);
        read.map_or(otherwise, |found| found.value)
    };
    let gate = Gate {
        deadline_ms: duration("deadline", default.deadline_ms),
        stable_for_ms: duration("stable_for", default.stable_for_ms),
        network: table.boolean("network").unwrap_or(default.network),
        on_failure: read_on_failure(table),
    };
    if gate.stable_for_ms >= gate.deadline_ms {
        let label = "`stable_for` must be shorter than `deadline`";
        table.fail("a gate that can never pass", label);
    }
    if gate.network && !default.network {
        let label = "`network = true` waits for an address, and `[network] mode` is `none`";
        table.fail("a gate that can never pass", label);
    }
    gate
}

fn read_on_failure(table: &Table<'_>) -> OnFailure {
    let stay = OnFailure::Stay;
    let attempts = table.integer("attempts", 1..100);
    let restart = OnFailure::Restart {
        attempts: attempts.as_ref().map_or(ATTEMPTS, |found| found.value),
    };
    let rollback = OnFailure::Rollback;
    let choices = [("stay", stay), ("restart", restart), ("rollback", rollback)];
    let chosen = table.choice("on_failure", &choices).unwrap_or(stay);
    if attempts.is_some() && chosen != restart {
        let label = "`attempts` counts the restarts of `on_failure = \"restart\"`";
        table.fail("a limit of nothing", label);
    }
    chosen
}

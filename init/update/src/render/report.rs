//! How past boots went.

use bedplate_contract::control::BootReport;

use super::{
    services, status, table,
    text::{printable, seconds},
};

/// Hex digits of a root hash that are shown; enough to tell a handful of roots apart.
const HASH_DIGITS: usize = 16;

/// One block per boot, newest first, an empty line between them. Services are listed for a boot
/// that left some unready, phases for one that went wrong.
pub fn render(reports: &[BootReport]) -> String {
    if reports.is_empty() {
        return "no boot has been reported yet\n".to_owned();
    }
    let blocks: Vec<_> = reports.iter().map(block).collect();
    blocks.join("\n")
}

fn block(report: &BootReport) -> String {
    let hash: String = report.root_hash.chars().take(HASH_DIGITS).collect();
    let reason = report.reason.as_deref().map(printable);
    let mut rows = vec![
        ["outcome".to_owned(), printable(&report.outcome)],
        ["version".to_owned(), printable(&report.version)],
        ["entry".to_owned(), printable(&report.entry)],
        ["root".to_owned(), printable(&hash)],
        ["after".to_owned(), seconds(report.ms)],
    ];
    rows.extend(reason.map(|reason| ["reason".to_owned(), reason]));
    let rows: Vec<_> = rows.into_iter().map(Vec::from).collect();
    let mut text = table::align(&rows);
    if !report.services.is_empty() {
        text.push_str(&services::render(&report.services));
    }
    if report.phases.iter().any(|phase| phase.error.is_some()) {
        text.push_str(&status::phases(&report.phases));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn a_bad_boot_says_why_and_a_good_one_is_short() {
        let expected = "\
outcome  gate-failed
version  4.0.2
entry    justnews_4.0.2+0-3.efi
root     0123456789abcdef
after    180.004 s
reason   mcp_bus was not ready within 180 s
SERVICE  STATE    NEED       PID  RESTARTS  BECAUSE
mcp_bus  waiting  essential  -    3         waiting for postgres because it is not ready
PHASE    TIME      ERROR
mounts   0.012 s
network  30.000 s  found no lease

outcome  blessed
version  4.0.1
entry    justnews_4.0.1.efi
root     0123456789abcdef
after    21.400 s
";
        assert_eq!(super::render(&sample::reports()), expected);
    }

    #[test]
    fn no_reports_are_said_in_words() {
        assert_eq!(super::render(&[]), "no boot has been reported yet\n");
    }
}

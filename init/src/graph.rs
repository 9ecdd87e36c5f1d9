//! The order of services: nothing may require or follow itself, however long the way.
//!
//! The builder refuses such a definition already; PID 1 asks again, for a cycle would wait for ever
//! without a word.

use bedplate_contract::service::Service;

/// Services that wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("services wait for each other: {}", cycle.join(" → "))]
pub struct CycleError {
    /// Names along the cycle; the first is also the last.
    pub cycle: Vec<String>,
}

/// How far the search has come with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the way that is being followed.
    Open,
    Closed,
}

/// Checks that `services` can be started in some order.
///
/// # Errors
/// The first cycle found, in the order of the services.
pub fn check(services: &[Service]) -> Result<(), CycleError> {
    let mut search = Search {
        services,
        marks: vec![Mark::New; services.len()],
        way: Vec::new(),
    };
    (0..services.len()).try_for_each(|at| search.visit(at))
}

struct Search<'a> {
    services: &'a [Service],
    marks: Vec<Mark>,
    way: Vec<usize>,
}

impl Search<'_> {
    fn visit(&mut self, at: usize) -> Result<(), CycleError> {
        match self.marks[at] {
            Mark::Closed => return Ok(()),
            Mark::Open => return Err(self.cycle(at)),
            Mark::New => self.marks[at] = Mark::Open,
        }
        self.way.push(at);
        for next in self.earlier(at) {
            self.visit(next)?;
        }
        self.way.pop();
        self.marks[at] = Mark::Closed;
        Ok(())
    }

    /// The services that must come before `at`; names that nobody has order nothing.
    fn earlier(&self, at: usize) -> Vec<usize> {
        let service = &self.services[at];
        let names = service.requires.iter().chain(&service.after);
        let place = |name: &String| self.services.iter().position(|s| s.name == *name);
        names.filter_map(place).collect()
    }

    fn cycle(&self, at: usize) -> CycleError {
        let from = self.way.iter().position(|on| *on == at).unwrap_or(0);
        let places = self.way[from..].iter().chain([&at]);
        CycleError {
            cycle: places.map(|on| self.services[*on].name.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::service;

    /// `a>b` requires, `a~b` follows.
    fn services(edges: &str) -> Vec<Service> {
        let mut all: Vec<_> = ["a", "b", "c"].map(service).into();
        for edge in edges.split_ascii_whitespace() {
            let (from, to) = edge.split_at(1);
            let own = all.iter_mut().find(|s| s.name == from).unwrap();
            let list = if to.starts_with('>') {
                &mut own.requires
            } else {
                &mut own.after
            };
            list.push(to[1..].to_owned());
        }
        all
    }

    #[test]
    fn orders_are_accepted() {
        for edges in ["", "a>b b>c", "a>b a>c b>c", "a~b b~c a>c", "a>nobody"] {
            assert_eq!(check(&services(edges)), Ok(()), "{edges}");
        }
    }

    #[test]
    fn cycles_are_named() {
        for (edges, cycle) in [
            ("a>a", "a → a"),
            ("a>b b>a", "a → b → a"),
            ("a>b b~c c>b", "b → c → b"),
        ] {
            let error = check(&services(edges)).unwrap_err();
            assert_eq!(error.cycle.join(" → "), cycle, "{edges}");
        }
    }
}
